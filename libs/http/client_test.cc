#include "libs/http/client.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "libs/http/server.h"
#include "libs/http/testing/pki.h"
#include "libs/http/testing/raw_socket.h"
#include "libs/testing/catch.h"

namespace flattone::http {
namespace {

using testing::RawListener;
using testing::RawSocket;
using testing::TestPki;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Url LocalUrl(uint16_t port, bool tls, const std::string& target = "/") {
  Url url;
  url.tls = tls;
  url.host = "127.0.0.1";
  url.port = port;
  url.target = target;
  return url;
}

// A TLS server that answers with what it was sent.
struct Echo {
  TestPki pki;
  std::atomic<int> requests{0};
  std::unique_ptr<HttpServer> server;

  explicit Echo(std::vector<std::string> names = {"DNS:localhost", "IP:127.0.0.1"}) {
    auto files = pki.Issue("server", names);
    ServerOptions options;
    options.tls = {files.certificate, files.key};
    server = HttpServer::Start(options, [this](Request request, ResponseWriter writer) {
               ++requests;
               writer.Send({200, {{"x-method", request.method}, {"x-target", request.target}}, request.body});
             }).value();
  }
  ClientOptions Trusting() const {
    ClientOptions options;
    options.ca_file = pki.ca_file();
    return options;
  }
};

// Plain server on a thread: `script` talks to the one connection that comes.
struct Script {
  RawListener listener;
  std::thread thread;
  explicit Script(std::function<void(RawSocket)> script) {
    thread = std::thread([this, script] { script(listener.Accept()); });
  }
  ~Script() { thread.join(); }
};

ClientResult PostPlain(uint16_t port, Deadlines deadlines = {}) {
  HttpClient client({});
  ClientRequest request;
  request.method = "POST";
  request.url = LocalUrl(port, false);
  static const std::string kBody = "charge=1";
  request.body = Bytes(kBody);
  request.deadlines = deadlines;
  return client.Send(request);
}

}  // namespace

TEST_CASE("a request and its answer cross TLS whole", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  const std::string body(100000, 'x');
  ClientRequest request;
  request.method = "POST";
  request.url = LocalUrl(echo.server->port(), true, "/a?b=c");
  request.body = Bytes(body);
  const ClientResult result = client.Send(request);
  REQUIRE(result.status.ok());
  CHECK(result.reach == Reach::kAnswered);
  CHECK(result.code == 200);
  CHECK(result.body == body);
  CHECK(*FindHeader(result.headers, "x-target") == "/a?b=c");
  CHECK(result.remote_address == "127.0.0.1");
}

TEST_CASE("a certificate for another name is refused before a byte leaves", "[http]") {
  Echo echo({"DNS:other.example"});
  HttpClient client(echo.Trusting());
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  const ClientResult result = client.Send(request);
  CHECK(result.reach == Reach::kNotSent);
  CHECK(std::string(result.status.message()).find("IP address mismatch") != std::string::npos);
  CHECK(echo.requests == 0);
}

TEST_CASE("a certificate of an unknown authority is refused", "[http]") {
  Echo echo;
  TestPki other;
  ClientOptions options;
  options.ca_file = other.ca_file();
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  CHECK(HttpClient(options).Send(request).reach == Reach::kNotSent);
  options.ca_file = "/nowhere.pem";
  HttpClient broken(options);
  CHECK_FALSE(broken.Ready().ok());
  CHECK(broken.Send(request).reach == Reach::kNotSent);
  CHECK(echo.requests == 0);
}

TEST_CASE("a name is not looked up any more for a call whose time-out came first", "[http]") {
  std::mutex mutex;
  std::condition_variable changed;
  int looked_up = 0;
  bool released = false;
  {
    ClientOptions options;
    options.helper_threads = 1;
    options.resolve = [&](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
      std::unique_lock<std::mutex> lock(mutex);
      ++looked_up;
      changed.wait(lock, [&] { return released; });
      return absl::UnavailableError("nobody answers");
    };
    HttpClient client(options);
    ClientRequest request;
    request.url = {false, "nobody.example", 80, "/"};
    request.deadlines = {absl::Milliseconds(50), absl::Milliseconds(50), absl::Milliseconds(50)};
    for (int i = 0; i < 3; ++i) CHECK(absl::IsDeadlineExceeded(client.Send(request).status));
    std::lock_guard<std::mutex> lock(mutex);
    released = true;
    changed.notify_all();
  }  // the client's helpers have done all that they had
  CHECK(looked_up <= 1);
}

TEST_CASE("a host name is verified and sent as SNI, whatever the resolver says", "[http]") {
  Echo echo({"DNS:psp.example"});
  ClientOptions options = echo.Trusting();
  options.resolve = [](const std::string& host) -> absl::StatusOr<std::vector<IpAddress>> {
    if (host != "psp.example" && host != "evil.example") return absl::UnavailableError("no such host");
    return std::vector<IpAddress>{IpAddress::Parse("127.0.0.1").value()};
  };
  HttpClient client(options);
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  request.url.host = "psp.example";
  CHECK(client.Send(request).reach == Reach::kAnswered);
  request.url.host = "evil.example";
  CHECK(client.Send(request).reach == Reach::kNotSent);
  request.url.host = "nobody.example";
  CHECK(client.Send(request).reach == Reach::kNotSent);
  CHECK(echo.requests == 1);
}

TEST_CASE("a refused connection is NOT_SENT", "[http]") {
  uint16_t port = 0;
  { port = RawListener().port(); }
  const ClientResult result = PostPlain(port);
  CHECK(result.reach == Reach::kNotSent);
  CHECK(result.status.code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a server that never shakes hands is NOT_SENT", "[http]") {
  RawListener silent;
  HttpClient client({});
  ClientRequest request;
  request.url = LocalUrl(silent.port(), true);
  request.deadlines.connect = absl::Milliseconds(50);
  const ClientResult result = client.Send(request);
  CHECK(result.reach == Reach::kNotSent);
  CHECK(result.status.code() == absl::StatusCode::kDeadlineExceeded);
}

TEST_CASE("reset after the request was read whole: unknown, and no second request", "[http]") {
  std::atomic<int> connections{0};
  TestPki pki;
  auto files = pki.Issue("server", {"IP:127.0.0.1"});
  ServerOptions options;
  options.tls = {files.certificate, files.key};
  auto server = HttpServer::Start(options, [&](Request, ResponseWriter writer) {
                  ++connections;
                  writer.Abort(true);
                }).value();
  ClientOptions trusting;
  trusting.ca_file = pki.ca_file();
  HttpClient client(trusting);
  ClientRequest request;
  request.method = "POST";
  request.url = LocalUrl(server->port(), true);
  request.reuse = true;
  CHECK(client.Send(request).reach == Reach::kUnknown);
  server->Drain(absl::Seconds(1));
  CHECK(connections == 1);
}

TEST_CASE("a reused connection that is reset after a read is not tried again", "[http]") {
  std::atomic<int> requests{0};
  auto server = HttpServer::Start({}, [&](Request, ResponseWriter writer) {
                  if (++requests == 1) return writer.Send({200, {}, "first"});
                  writer.Abort(true);
                }).value();
  HttpClient client({});
  ClientRequest request;
  request.method = "POST";
  request.url = LocalUrl(server->port(), false);
  request.reuse = true;
  CHECK(client.Send(request).reach == Reach::kAnswered);
  CHECK(client.Send(request).reach == Reach::kUnknown);
  CHECK(server->counters().connections == 1);
  CHECK(requests == 2);
}

TEST_CASE("an answer that is cut off, too slow or not HTTP is unknown", "[http]") {
  SECTION("closed without a word") {
    Script script([](RawSocket socket) { socket.ReadUntil("charge=1"); });
    CHECK(PostPlain(script.listener.port()).reach == Reach::kUnknown);
  }
  SECTION("cut in the body") {
    Script script([](RawSocket socket) {
      socket.ReadUntil("charge=1");
      socket.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    CHECK(PostPlain(script.listener.port()).reach == Reach::kUnknown);
  }
  SECTION("not HTTP") {
    Script script([](RawSocket socket) {
      socket.ReadUntil("charge=1");
      socket.Write("SSH-2.0-x\r\n\r\n");
    });
    CHECK(PostPlain(script.listener.port()).reach == Reach::kUnknown);
  }
  SECTION("no first byte in time") {
    Script script([](RawSocket socket) { socket.ReadAll(); });
    Deadlines deadlines;
    deadlines.first_byte = absl::Milliseconds(50);
    const ClientResult result = PostPlain(script.listener.port(), deadlines);
    CHECK(result.reach == Reach::kUnknown);
    CHECK(result.status.code() == absl::StatusCode::kDeadlineExceeded);
  }
  SECTION("first byte, then silence") {
    Script script([](RawSocket socket) {
      socket.ReadUntil("charge=1");
      socket.Write("HTTP/1.1 200 OK\r\n");
      socket.ReadAll();
    });
    Deadlines deadlines;
    deadlines.total = absl::Milliseconds(100);
    CHECK(PostPlain(script.listener.port(), deadlines).reach == Reach::kUnknown);
  }
}

TEST_CASE("interim answers are passed over; redirects are answers", "[http]") {
  Script script([](RawSocket socket) {
    socket.ReadUntil("charge=1");
    socket.Write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  });
  const ClientResult result = PostPlain(script.listener.port());
  CHECK(result.reach == Reach::kAnswered);
  CHECK(result.code == 302);
  CHECK(result.body == "ok");
}

TEST_CASE("an answer over the bound ends the call", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  const std::string body(2000, 'x');
  ClientRequest request;
  request.method = "POST";
  request.url = LocalUrl(echo.server->port(), true);
  request.body = Bytes(body);
  request.max_response_bytes = 1000;
  const ClientResult result = client.Send(request);
  CHECK(result.reach == Reach::kUnknown);
  CHECK(result.status.code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a policy is asked after resolving and nothing connects to what it refuses", "[http]") {
  Echo echo({"DNS:hook.example"});
  ClientOptions options = echo.Trusting();
  std::vector<std::string> answers = {"127.0.0.1"};
  options.resolve = [&](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    std::vector<IpAddress> out;
    for (const std::string& text : answers) out.push_back(IpAddress::Parse(text).value());
    return out;
  };
  HttpClient client(options);
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  request.url.host = "hook.example";
  request.policy = std::make_shared<AddressPolicy>(AddressPolicy::PublicOnly({}));
  ClientResult result = client.Send(request);
  CHECK(result.reach == Reach::kNotSent);
  CHECK(result.status.code() == absl::StatusCode::kPermissionDenied);
  CHECK(echo.server->counters().connections == 0);

  request.policy =
      std::make_shared<AddressPolicy>(AddressPolicy::PublicOnly({Cidr::Parse("127.0.0.1/32").value()}));
  answers = {"10.0.0.1", "127.0.0.1"};
  CHECK(client.Send(request).reach == Reach::kAnswered);
}

TEST_CASE("the gate runs between the handshake and the first byte", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  int requests_at_gate = -1;
  request.on_connected = [&] { requests_at_gate = echo.requests; };
  CHECK(client.Send(request).reach == Reach::kAnswered);
  CHECK(requests_at_gate == 0);
  CHECK(echo.requests == 1);
}

TEST_CASE("a call that times out at the gate is NOT_SENT, and stays so", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  request.deadlines.total = absl::Milliseconds(300);
  request.on_connected = [] { std::this_thread::sleep_for(std::chrono::milliseconds(500)); };  // lint: allow (the deadline under test)
  CHECK(client.Send(request).reach == Reach::kNotSent);
  CHECK(echo.requests == 0);
}

TEST_CASE("a line break in a header or a target never leaves", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  ClientRequest request;
  request.url = LocalUrl(echo.server->port(), true);
  request.headers = {{"x", "a\r\ny: b"}};
  CHECK(client.Send(request).reach == Reach::kNotSent);
  CHECK(echo.requests == 0);
}

TEST_CASE("many calls at once share the client", "[http]") {
  Echo echo;
  HttpClient client(echo.Trusting());
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const std::string body = std::to_string(t * 100 + i);
        ClientRequest request;
        request.method = "POST";
        request.url = LocalUrl(echo.server->port(), true);
        request.body = Bytes(body);
        request.reuse = i % 2 == 0;
        if (client.Send(request).body == body) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 40);
}

}  // namespace flattone::http
