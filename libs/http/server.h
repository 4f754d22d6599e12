// HTTPS server: bounded in every direction, handlers on a thread pool, answers whole or streamed.
//
//   ServerOptions options{.address = "127.0.0.1", .port = 0, .tls = ServerTls{"cert.pem", "key.pem"}};
//   auto server = HttpServer::Start(options, [](Request request, ResponseWriter writer) {
//     writer.Send(Response{200, {{"content-type", "text/plain"}}, "hello\n"});
//   });
//   (*server)->port();
//   (*server)->Drain(absl::Seconds(10));
//
// A handler may keep the writer and answer later from any thread. A writer that is dropped without an answer
// sends a 500. Requests on one connection are handled one after the other. What the server refuses itself
// (431, 413, 408, 400, 503) is a problem document (RFC 9457) that names the limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/headers.h"

namespace flattone::http {

struct ServerTls {
  std::string certificate_file;  // PEM chain
  std::string key_file;
};

struct Request {
  std::string method;
  std::string target;  // as received: path and query
  Headers headers;
  std::string body;
  std::string remote_address;  // literal IP of the peer
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// An answer of unknown length (server-sent events). Thread-safe; the connection outlives no server.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Queues a chunk. False when the client is gone, the server drains, or the queue bound would be passed
  // (nothing of the chunk is sent then). An empty queue takes a chunk of any size.
  virtual bool Write(std::string chunk) = 0;
  // Bytes queued and not yet given to the socket.
  virtual size_t Queued() const = 0;
  virtual bool Closed() const = 0;
  // `wake` is called on an I/O thread (must not block) each time the queue has run empty and once when the
  // stream has closed. Replaces the one before; called at once if the queue is empty or closed already.
  virtual void OnDrained(std::function<void()> wake) = 0;
  // Calls `tick` on an I/O thread every `period` until closed: heartbeats. Must not block.
  virtual void Every(absl::Duration period, std::function<void()> tick) = 0;
  // Ends the answer in an orderly way after what is queued.
  virtual void Finish() = 0;
};

class Connection;

class ResponseWriter {
 public:
  ~ResponseWriter();
  ResponseWriter(ResponseWriter&&) noexcept;
  ResponseWriter& operator=(ResponseWriter&&) noexcept;
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  // The whole answer; once. Content-Length is set here.
  void Send(Response response);
  // Status and headers now, body by and by (chunked).
  std::shared_ptr<StreamWriter> Stream(int status, Headers headers);
  // No answer: closes the connection, with a TCP reset if asked (faults of the sandbox PSP).
  void Abort(bool reset);

 private:
  friend class Connection;
  struct Exchange;  // one request under way
  explicit ResponseWriter(std::shared_ptr<Exchange> exchange);
  static ResponseWriter For(std::shared_ptr<Connection> connection);
  std::shared_ptr<Exchange> exchange_;
};

using Handler = std::function<void(Request request, ResponseWriter writer)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;            // 0: the system chooses; see port()
  ServerTls tls;                // no certificate: plain HTTP (tests, or behind a proxy on the same host)
  int io_threads = 1;
  int handler_threads = 4;
  size_t max_queued_requests = 256;  // waiting for a handler thread; over it 503
  size_t max_connections = 1024;     // over it the connection is closed at once
  size_t max_header_bytes = 16 * 1024;
  size_t max_body_bytes = 256 * 1024;
  size_t max_stream_queue_bytes = 256 * 1024;
  absl::Duration header_timeout = absl::Seconds(10);  // TLS handshake, then request line and headers
  absl::Duration body_timeout = absl::Seconds(20);
  absl::Duration write_timeout = absl::Seconds(20);
  absl::Duration idle_timeout = absl::Seconds(60);  // between two requests of a connection
};

// What a server has met since it started; exported by the caller as metrics.
struct ServerCounters {
  std::atomic<uint64_t> connections{0}, connections_refused{0}, connections_open{0};
  std::atomic<uint64_t> requests{0}, streams_open{0};
  std::atomic<uint64_t> header_too_large{0}, body_too_large{0}, malformed{0}, timeouts{0}, overloaded{0};
  std::atomic<uint64_t> tls_failures{0}, streams_overrun{0};
};

class HttpServer {
 public:
  // Listens and serves. UNAVAILABLE when the address is taken, INVALID_ARGUMENT for bad TLS files or address.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(ServerOptions options, Handler handler);
  ~HttpServer();  // Drain(0)

  uint16_t port() const;
  const ServerCounters& counters() const;

  // Stops accepting, closes idle connections, ends streams, waits for answers under way; after `grace` closes
  // what is left. Once.
  void Drain(absl::Duration grace);

  // Reads certificate and key again; new connections use them. INVALID_ARGUMENT: the old ones stay.
  absl::Status ReloadTls();

  // Closes the listening socket (connections are then refused by the kernel), or opens it again on the same
  // port. For the sandbox PSP's faults.
  absl::Status Listen(bool on);

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace flattone::http
