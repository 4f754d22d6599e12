#include <boost/asio/post.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/http/server_connection.h"

namespace flattone::http {

ChunkedStream::ChunkedStream(std::shared_ptr<Connection> connection, bool chunked, size_t max_queue)
    : core_(connection->core_), connection_(std::move(connection)), strand_(connection_->strand_), ticker_(strand_), chunked_(chunked),
      max_queue_(max_queue) {}

bool ChunkedStream::Write(std::string chunk) {
  if (chunk.empty()) return !Closed();
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || finishing_) return false;
  if (queued_bytes_ > 0 && queued_bytes_ + chunk.size() > max_queue_) {
    ++core_->counters.streams_overrun;
    return false;
  }
  queued_bytes_ += chunk.size();
  queue_.push_back(std::move(chunk));
  if (!writing_) {
    writing_ = true;
    asio::post(strand_, [self = shared_from_this()] { self->Pump(); });
  }
  return true;
}

size_t ChunkedStream::Queued() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queued_bytes_;
}

bool ChunkedStream::Closed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return closed_ || finishing_;
}

void ChunkedStream::OnDrained(std::function<void()> wake) {
  bool now = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    now = closed_ || (queued_bytes_ == 0 && !writing_);
    on_drained_ = wake;
  }
  if (now && wake) wake();
}

void ChunkedStream::Every(absl::Duration period, std::function<void()> tick) {
  auto shared = std::make_shared<std::function<void()>>(std::move(tick));
  asio::post(strand_, [self = shared_from_this(), period, shared] { self->Tick(period, shared); });
}

void ChunkedStream::Tick(absl::Duration period, std::shared_ptr<std::function<void()>> tick) {
  if (Closed()) return;
  ticker_.expires_after(absl::ToChronoNanoseconds(period));
  ticker_.async_wait([self = shared_from_this(), period, tick](ErrorCode error) {
    if (error || self->Closed()) return;
    (*tick)();
    self->Tick(period, tick);
  });
}

void ChunkedStream::Finish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || finishing_) return;
  finishing_ = true;
  if (!writing_) {
    writing_ = true;
    asio::post(strand_, [self = shared_from_this()] { self->Pump(); });
  }
}

void ChunkedStream::HeadSent() { Pump(); }

// Writes all that is queued as one chunk, again and again until nothing is left. On the strand.
void ChunkedStream::Pump() {
  std::shared_ptr<Connection> connection;
  std::string bytes;
  std::function<void()> wake;
  bool last = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    connection = connection_;
    if (queue_.empty() && !finishing_) {
      writing_ = false;
      wake = on_drained_;
    } else {
      for (std::string& chunk : queue_) bytes += chunk;
      queue_.clear();
      queued_bytes_ = 0;
      if (chunked_ && !bytes.empty()) bytes = absl::StrCat(absl::StrFormat("%x\r\n", bytes.size()), bytes, "\r\n");
      last = finishing_;
      if (last && chunked_) bytes += "0\r\n\r\n";
    }
  }
  if (bytes.empty() && !last) {
    connection->Arm(Connection::Phase::kStreaming, absl::InfiniteDuration());
    if (wake) wake();
    return;
  }
  connection->Arm(Connection::Phase::kStreaming, connection->core_->options.write_timeout);
  connection->Write(std::move(bytes), [self = shared_from_this(), connection, last](ErrorCode error) {
    if (error) return connection->Close();
    if (last) return connection->CloseGently();
    self->Pump();
  });
}

void ChunkedStream::ConnectionClosed() {
  std::function<void()> wake;
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
    queue_.clear();
    queued_bytes_ = 0;
    wake = std::move(on_drained_);
    on_drained_ = nullptr;
    connection = std::move(connection_);
  }
  ticker_.cancel();
  if (wake) wake();
}

}  // namespace flattone::http
