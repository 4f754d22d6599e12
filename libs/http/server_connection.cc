#include "libs/http/server_connection.h"

#include <time.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "absl/strings/str_cat.h"

namespace flattone::http {
namespace {

constexpr absl::Duration kLinger = absl::Seconds(2);
constexpr size_t kMaxDiscarded = 32 << 20;

std::string HttpDate() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, tcp::socket socket)
    : core_(std::move(core)), strand_(socket.get_executor()), timer_(strand_) {
  ErrorCode error;
  const auto peer = socket.remote_endpoint(error);
  if (!error) remote_ = peer.address().to_string();
  socket.set_option(tcp::no_delay(true), error);
  {
    std::lock_guard<std::mutex> lock(core_->mutex);
    tls_context_ = core_->tls;
  }
  if (tls_context_ != nullptr) {
    tls_ = std::make_unique<asio::ssl::stream<tcp::socket>>(std::move(socket), *tls_context_);
  } else {
    plain_ = std::make_unique<tcp::socket>(std::move(socket));
  }
}

Connection::~Connection() { --core_->counters.connections_open; }

void Connection::Start() {
  asio::post(strand_, [self = shared_from_this()] {
    if (self->tls_ == nullptr) return self->NextRequest();
    self->Handshake();
  });
}

void Connection::Handshake() {
  Arm(Phase::kHandshake, core_->options.header_timeout);
  tls_->async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](ErrorCode error) {
    if (self->closed_) return;
    if (error) {
      ++self->core_->counters.tls_failures;
      return self->Close();
    }
    self->NextRequest();
  });
}

void Connection::NextRequest() {
  if (core_->draining && buffered_.empty()) return CloseGently();
  reader_ = std::make_unique<RequestReader>(core_->options.max_header_bytes, core_->options.max_body_bytes);
  if (buffered_.empty()) {
    Arm(Phase::kIdle, core_->options.idle_timeout);
    return Read();
  }
  Arm(Phase::kHeaders, core_->options.header_timeout);
  Advance();
}

void Connection::Read() {
  WithStream([this](auto& stream) {
    stream.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](ErrorCode error, size_t count) {
      if (!self->closed_) self->OnRead(error, count);
    });
  });
}

void Connection::OnRead(ErrorCode error, size_t count) {
  if (phase_ > Phase::kBody) return;  // timed out meanwhile: an answer is on its way
  if (error) {
    if (phase_ != Phase::kIdle) ++core_->counters.malformed;
    return Close();
  }
  if (phase_ == Phase::kIdle) Arm(Phase::kHeaders, core_->options.header_timeout);
  buffered_.append(chunk_.data(), count);
  Advance();
}

// Parses what is there and decides what comes next.
void Connection::Advance() {
  buffered_.erase(0, reader_->Feed(buffered_));
  const ServerOptions& options = core_->options;
  switch (reader_->state()) {
    case ReadState::kComplete:
      return Dispatch();
    case ReadState::kHeaderTooLarge:
      ++core_->counters.header_too_large;
      return Refuse(431, "header_too_large", "The request line and headers are too large.",
                    absl::StrCat("at most ", options.max_header_bytes, " bytes and 100 fields"));
    case ReadState::kBodyTooLarge:
      ++core_->counters.body_too_large;
      return Refuse(413, "body_too_large", "The body is too large.",
                    absl::StrCat("at most ", options.max_body_bytes, " bytes"));
    case ReadState::kMalformed:
      ++core_->counters.malformed;
      return Refuse(400, "malformed_request", "The request is not well-formed HTTP/1.1.", "");
    case ReadState::kBody:
      if (phase_ == Phase::kHeaders) Arm(Phase::kBody, options.body_timeout);
      if (reader_->TakeExpectsContinue()) {
        return Write("HTTP/1.1 100 Continue\r\n\r\n", [self = shared_from_this()](ErrorCode error) {
          if (error) return self->Close();
          self->Read();
        });
      }
      return Read();
    case ReadState::kHeaders:
      return Read();
  }
}

void Connection::Dispatch() {
  Arm(Phase::kHandling, absl::InfiniteDuration());
  ++core_->counters.requests;
  keep_alive_ = reader_->keep_alive();
  head_ = reader_->is_head();
  http10_ = reader_->is_http10();
  auto request = std::make_shared<Request>(reader_->Take());
  request->remote_address = remote_;
  if (core_->queued >= core_->options.max_queued_requests) {
    ++core_->counters.overloaded;
    return Refuse(503, "overloaded", "The server is busy; try again in a second.", "");
  }
  ++core_->queued;
  auto writer = std::make_shared<ResponseWriter>(ResponseWriter::For(shared_from_this()));
  asio::post(core_->handlers, [core = core_, request, writer] {
    --core->queued;
    try {
      core->handler(std::move(*request), std::move(*writer));
    } catch (...) {
      // The writer, destroyed on the way, has answered 500.
    }
  });
}

// The server's own refusals: a problem document, then the connection ends.
void Connection::Refuse(int status, const char* code, const std::string& detail, const std::string& limit) {
  phase_ = Phase::kHandling;
  keep_alive_ = false;
  head_ = false;
  Response response{status, {{"content-type", "application/problem+json"}}, ""};
  response.body = absl::StrCat("{\"type\":\"about:blank\",\"title\":\"", std::string(ReasonPhrase(status)),
                               "\",\"status\":", status, ",\"code\":\"", code, "\",\"detail\":\"", detail, "\"");
  if (!limit.empty()) absl::StrAppend(&response.body, ",\"limit\":\"", limit, "\"");
  response.body += "}\n";
  Send(std::move(response));
}

std::string Connection::FormatHead(const Response& response, bool chunked) const {
  std::string head = absl::StrCat("HTTP/1.1 ", response.status, " ", std::string(ReasonPhrase(response.status)),
                                  "\r\ndate: ", HttpDate(), "\r\n");
  for (const auto& header : response.headers) {
    if ((header.first + header.second).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) continue;
    absl::StrAppend(&head, header.first, ": ", header.second, "\r\n");
  }
  if (chunked) {
    if (!http10_) head += "transfer-encoding: chunked\r\n";
  } else if (response.status != 204 && response.status != 304) {
    absl::StrAppend(&head, "content-length: ", response.body.size(), "\r\n");
  }
  absl::StrAppend(&head, "connection: ", keep_alive_ && !chunked && !core_->draining ? "keep-alive" : "close",
                  "\r\n\r\n");
  return head;
}

void Connection::Send(Response response) {
  if (core_->stopped) return;
  auto shared = std::make_shared<Response>(std::move(response));
  asio::dispatch(strand_, [self = shared_from_this(), shared] {
    if (self->closed_ || self->phase_ != Phase::kHandling) return;
    self->close_after_ = !self->keep_alive_ || self->core_->draining;
    std::string bytes = self->FormatHead(*shared, false);
    if (!self->head_ && shared->status != 204 && shared->status != 304) bytes += shared->body;
    self->Arm(Phase::kWriting, self->core_->options.write_timeout);
    self->Write(std::move(bytes), [self](ErrorCode error) { self->Written(error); });
  });
}

void Connection::Write(std::string bytes, std::function<void(ErrorCode)> then) {
  out_ = std::move(bytes);
  WithStream([this, &then](auto& stream) {
    asio::async_write(stream, asio::buffer(out_), [self = shared_from_this(), then](ErrorCode error, size_t) {
      if (!self->closed_) then(error);
    });
  });
}

void Connection::Written(ErrorCode error) {
  if (error) return Close();
  if (close_after_) return CloseGently();
  NextRequest();
}

std::shared_ptr<StreamWriter> Connection::Stream(int status, Headers headers) {
  auto stream = std::make_shared<ChunkedStream>(shared_from_this(), !http10_, core_->options.max_stream_queue_bytes);
  auto response = std::make_shared<Response>(Response{status, std::move(headers), ""});
  if (core_->stopped) {
    stream->ConnectionClosed();
    return stream;
  }
  asio::dispatch(strand_, [self = shared_from_this(), stream, response] {
    if (self->closed_ || self->phase_ != Phase::kHandling) return stream->ConnectionClosed();
    ++self->core_->counters.streams_open;
    self->stream_ = stream;
    self->close_after_ = true;
    self->Arm(Phase::kStreaming, self->core_->options.write_timeout);
    self->WatchForEnd();
    self->Write(self->FormatHead(*response, true), [self](ErrorCode error) {
      if (error) return self->Close();
      self->stream_->HeadSent();
    });
    if (self->core_->draining) stream->Finish();
  });
  return stream;
}

// While streaming, a read waits for the client to go away; what it says meanwhile is dropped.
void Connection::WatchForEnd() {
  WithStream([this](auto& stream) {
    stream.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](ErrorCode error, size_t) {
      if (self->closed_ || self->phase_ != Phase::kStreaming) return;
      if (error) return self->Close();
      self->WatchForEnd();
    });
  });
}

void Connection::Abort(bool reset) {
  if (core_->stopped) return;
  asio::dispatch(strand_, [self = shared_from_this(), reset] {
    if (self->closed_) return;
    ErrorCode ignored;
    if (reset) self->socket().set_option(asio::socket_base::linger(true, 0), ignored);
    self->Close();
  });
}

void Connection::Drain() {
  asio::post(strand_, [self = shared_from_this()] {
    if (self->closed_) return;
    if (self->phase_ == Phase::kIdle) self->Close();
    if (self->stream_ != nullptr) self->stream_->Finish();
  });
}

void Connection::CloseNow() {
  asio::post(strand_, [self = shared_from_this()] { self->Close(); });
}

// Says goodbye in TLS, then in TCP, then swallows for a moment what the client still sends: closing with unread
// bytes would reset the connection and could take the answer away from under the client.
void Connection::CloseGently() {
  Arm(Phase::kClosing, kLinger);
  if (stream_ != nullptr || tls_ == nullptr) {
    ErrorCode ignored;
    socket().shutdown(tcp::socket::shutdown_send, ignored);
    return Discard();
  }
  tls_->async_shutdown([self = shared_from_this()](ErrorCode) {
    if (self->closed_) return;
    ErrorCode ignored;
    self->socket().shutdown(tcp::socket::shutdown_send, ignored);
    self->Discard();
  });
}

void Connection::Discard() {
  socket().async_read_some(asio::buffer(chunk_), [self = shared_from_this()](ErrorCode error, size_t count) {
    if (self->closed_) return;
    self->discarded_ += count;
    if (error || self->discarded_ > kMaxDiscarded) return self->Close();
    self->Discard();
  });
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  timer_.cancel();
  ErrorCode ignored;
  socket().close(ignored);
  if (stream_ != nullptr) {
    --core_->counters.streams_open;
    stream_->ConnectionClosed();
    stream_.reset();
  }
  std::lock_guard<std::mutex> lock(core_->mutex);
  core_->open.erase(shared_from_this());
}

void Connection::Arm(Phase phase, absl::Duration limit) {
  phase_ = phase;
  if (limit == absl::InfiniteDuration()) {
    timer_.expires_at(asio::steady_timer::time_point::max());
    return;
  }
  timer_.expires_after(absl::ToChronoNanoseconds(limit));
  timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (error || self->closed_ || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
    self->OnDeadline();
  });
}

void Connection::OnDeadline() {
  if (phase_ == Phase::kHeaders || phase_ == Phase::kBody) {
    ++core_->counters.timeouts;
    const bool in_headers = phase_ == Phase::kHeaders;
    const absl::Duration limit = in_headers ? core_->options.header_timeout : core_->options.body_timeout;
    // The read that is still pending must not start a second answer.
    phase_ = Phase::kClosing;
    ErrorCode ignored;
    socket().cancel(ignored);
    return Refuse(408, "request_too_slow", in_headers ? "The headers took too long." : "The body took too long.",
                  absl::StrCat("within ", absl::ToInt64Seconds(limit), " seconds"));
  }
  if (phase_ == Phase::kWriting || phase_ == Phase::kStreaming || phase_ == Phase::kHandshake) {
    ++core_->counters.timeouts;
  }
  Close();
}

}  // namespace flattone::http
