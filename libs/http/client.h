// HTTPS client for calls that must not happen twice: one request is one connection, one write, one answer.
//
//   HttpClient client({.ca_file = "ca.pem"});                 // one per process and trust store
//   ClientRequest request;
//   request.method = "POST";
//   request.url = ParseUrl("https://psp.example/v1/charges").value();
//   request.body = secret_buffer.bytes();                     // caller-owned, never copied
//   ClientResult result = client.Send(request);
//   switch (result.reach) { case Reach::kNotSent: …; case Reach::kUnknown: …; case Reach::kAnswered: … }
//
// There is no redirect, no hidden retry, no proxy, no decompression. Connections are fresh unless a request
// asks for `reuse`, which is only for reads: a reused connection may be closed by the peer just as the request
// leaves, and the answer is then kUnknown.
//
// The body span is given to TLS in one piece; OpenSSL encrypts its own copy in place, so no clear byte of it
// stays behind in this library. Headers are ordinary strings: a card number never belongs in one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/address.h"
#include "libs/http/headers.h"
#include "libs/http/url.h"

namespace flattone::http {

// How far a request got: what an attempt's outcome is decided on.
enum class Reach {
  kNotSent,   // resolving, connecting or the TLS handshake failed: not one byte of the request left
  kUnknown,   // a byte may have left and no whole answer came back
  kAnswered,  // a complete answer with a status line, whatever its code
};

// Where a call ended.
enum class Stage { kResolve, kConnect, kHandshake, kSend, kAnswer };

struct Deadlines {
  absl::Duration connect = absl::Seconds(10);     // resolving, connecting and the TLS handshake together
  absl::Duration first_byte = absl::Seconds(60);  // from the last byte sent to the first byte of the answer
  absl::Duration total = absl::Seconds(80);       // the whole call
};

struct ClientRequest {
  std::string method = "GET";
  Url url;
  Headers headers;  // Host, Content-Length and Connection are set by the client
  std::span<const uint8_t> body;  // must stay valid until the call is over
  Deadlines deadlines;
  size_t max_response_bytes = 1 << 20;  // of the body; over it the call ends kUnknown
  bool reuse = false;                   // only for requests that are safe to lose or repeat
  // Which of the resolved addresses may be connected to; checked on every call, after resolving.
  std::shared_ptr<const AddressPolicy> policy;  // none: any address
  // Called after the TLS handshake, before the first byte of the request, on a helper thread; may block
  // (a test's gate). The deadlines run on.
  std::function<void()> on_connected;
};

struct ClientResult {
  Reach reach = Reach::kNotSent;
  Stage stage = Stage::kResolve;
  absl::Status status;  // OK when kAnswered; else why: UNAVAILABLE, DEADLINE_EXCEEDED, PERMISSION_DENIED, …
  int code = 0;         // HTTP status when kAnswered
  Headers headers;
  std::string body;
  std::string remote_address;  // what was connected to, empty if nothing was
  absl::Duration elapsed;
};

struct ClientOptions {
  std::string ca_file;    // PEM; empty: the system's store
  int io_threads = 1;
  int helper_threads = 2;  // resolving and on_connected; a name that nobody answers for holds one until the resolver gives up
  size_t max_idle_per_host = 8;
  absl::Duration max_idle = absl::Seconds(20);
  // Host name → literal addresses. Default: the system's resolver. Runs on a helper thread.
  std::function<absl::StatusOr<std::vector<IpAddress>>(const std::string& host)> resolve;
};

class Call;

class HttpClient {
 public:
  // `ca_file` that cannot be read makes every call end kNotSent; Ready() tells.
  explicit HttpClient(ClientOptions options);
  ~HttpClient();  // waits for calls that are still running

  absl::Status Ready() const;

  // Sends and waits. Any thread but the client's own.
  ClientResult Send(const ClientRequest& request);

  // Sends; `done` is called once on an I/O thread and must not block. The body span must live until then.
  void SendAsync(ClientRequest request, std::function<void(ClientResult)> done);

 private:
  friend class Call;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace flattone::http
