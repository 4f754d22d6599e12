// Inside of the HTTP server: one connection, from accept to close. Included by server*.cc only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <mutex>
#include <set>

#include "libs/http/message_reader.h"
#include "libs/http/server.h"

namespace flattone::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

class Connection;
class ChunkedStream;

// What the connections share with the server.
struct ServerCore {
  ServerCore(ServerOptions given, Handler handle)
      : options(std::move(given)), handler(std::move(handle)),
        handlers(static_cast<size_t>(options.handler_threads)) {}

  ServerOptions options;
  Handler handler;
  ServerCounters counters;
  asio::io_context io;
  asio::thread_pool handlers;
  std::shared_ptr<asio::ssl::context> tls;  // null: plain
  std::atomic<size_t> queued{0};            // requests that wait for a handler thread
  std::atomic<bool> draining{false};
  std::atomic<bool> stopped{false};  // the I/O threads are gone: late answers are dropped

  std::mutex mutex;
  std::set<std::shared_ptr<Connection>> open;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, tcp::socket socket);
  ~Connection();

  void Start();
  void Drain();    // any thread: close when idle, else after the answer under way
  void CloseNow();  // any thread

  // From ResponseWriter and ChunkedStream, any thread.
  void Send(Response response);
  std::shared_ptr<StreamWriter> Stream(int status, Headers headers);
  void Abort(bool reset);

 private:
  friend class ChunkedStream;
  enum class Phase { kHandshake, kIdle, kHeaders, kBody, kHandling, kWriting, kStreaming, kClosing };

  void Handshake();
  void NextRequest();
  void Read();
  void OnRead(ErrorCode error, size_t count);
  void Advance();
  void Dispatch();
  void Refuse(int status, const char* code, const std::string& detail, const std::string& limit);
  void Write(std::string bytes, std::function<void(ErrorCode)> then);
  void Written(ErrorCode error);
  void WatchForEnd();
  void CloseGently();
  void Discard();
  void Close();
  void Arm(Phase phase, absl::Duration limit);
  void OnDeadline();
  std::string FormatHead(const Response& response, bool chunked) const;

  template <typename F>
  void WithStream(F&& f) {
    if (tls_ != nullptr) {
      f(*tls_);
    } else {
      f(*plain_);
    }
  }
  tcp::socket& socket() { return tls_ != nullptr ? tls_->next_layer() : *plain_; }

  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<asio::ssl::context> tls_context_;  // kept while the connection lives
  std::unique_ptr<asio::ssl::stream<tcp::socket>> tls_;
  std::unique_ptr<tcp::socket> plain_;
  asio::any_io_executor strand_;
  asio::steady_timer timer_;
  Phase phase_ = Phase::kHandshake;
  std::string remote_;
  std::unique_ptr<RequestReader> reader_;
  std::array<char, 16 * 1024> chunk_;
  std::string buffered_;
  std::string out_;
  std::shared_ptr<ChunkedStream> stream_;
  size_t discarded_ = 0;
  bool keep_alive_ = false;
  bool head_ = false;
  bool http10_ = false;
  bool close_after_ = false;
  bool closed_ = false;
};

// StreamWriter over one connection: a bounded queue, written as chunks.
class ChunkedStream final : public StreamWriter, public std::enable_shared_from_this<ChunkedStream> {
 public:
  ChunkedStream(std::shared_ptr<Connection> connection, bool chunked, size_t max_queue);

  bool Write(std::string chunk) override;
  size_t Queued() const override;
  bool Closed() const override;
  void OnDrained(std::function<void()> wake) override;
  void Every(absl::Duration period, std::function<void()> tick) override;
  void Finish() override;

  // On the connection's strand.
  void HeadSent();
  void ConnectionClosed();

 private:
  void Pump();
  void Tick(absl::Duration period, std::shared_ptr<std::function<void()>> tick);

  // Whoever holds a stream may hold it longer than the server: the timer's I/O context lives with it.
  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<Connection> connection_;  // dropped when closed
  asio::any_io_executor strand_;
  asio::steady_timer ticker_;
  const bool chunked_;
  const size_t max_queue_;

  mutable std::mutex mutex_;
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool writing_ = true;  // the head goes out first
  bool finishing_ = false;
  bool closed_ = false;
  std::function<void()> on_drained_;
};

}  // namespace flattone::http
