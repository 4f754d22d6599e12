#include "libs/http/server.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "libs/http/client.h"
#include "libs/http/testing/pki.h"
#include "libs/http/testing/raw_socket.h"
#include "libs/testing/catch.h"

namespace flattone::http {
namespace {

using testing::RawSocket;

std::unique_ptr<HttpServer> StartPlain(ServerOptions options, Handler handler) {
  return HttpServer::Start(std::move(options), std::move(handler)).value();
}

void SayHello(Request request, ResponseWriter writer) { writer.Send({200, {}, "hello " + request.target}); }

std::string Ask(uint16_t port, const std::string& text) {
  RawSocket socket = RawSocket::Connect(port);
  socket.Write(text);
  return socket.ReadAll();
}

// A door that a test opens for a handler.
struct Latch {
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0;
  bool open = false;
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex);
    ++arrived;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
  }
  void AwaitArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return arrived >= count; });
  }
  void Open() {
    std::lock_guard<std::mutex> lock(mutex);
    open = true;
    changed.notify_all();
  }
};

}  // namespace

TEST_CASE("requests of one connection are answered in order, pipelined ones too", "[http]") {
  auto server = StartPlain({}, SayHello);
  const std::string answers = Ask(server->port(), "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n"
                                                  "Connection: close\r\n\r\n");
  const size_t first = answers.find("hello /1");
  REQUIRE(first != std::string::npos);
  CHECK(answers.find("hello /2") > first);
  CHECK(server->counters().connections == 1);
  CHECK(server->counters().requests == 2);
}

TEST_CASE("a body over the limit gets 413 that names the limit", "[http]") {
  ServerOptions options;
  options.max_body_bytes = 1000;
  auto server = StartPlain(options, SayHello);
  SECTION("announced") {
    const std::string answer = Ask(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
    CHECK(answer.find("413 Content Too Large") != std::string::npos);
    CHECK(answer.find("\"limit\":\"at most 1000 bytes\"") != std::string::npos);
  }
  SECTION("sent whole before reading, ten megabytes") {
    const std::string body(10'000'000, 'x');
    HttpClient client({});
    ClientRequest request;
    request.method = "POST";
    request.url = {false, "127.0.0.1", server->port(), "/"};
    request.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
    const ClientResult result = client.Send(request);
    CHECK(result.reach == Reach::kAnswered);
    CHECK(result.code == 413);
    CHECK(*FindHeader(result.headers, "content-type") == "application/problem+json");
  }
  SECTION("in chunks") {
    const std::string answer = Ask(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                   "7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n");
    CHECK(answer.find(" 413 ") != std::string::npos);
  }
  CHECK(server->counters().body_too_large == 1);
  CHECK(server->counters().requests == 0);
}

TEST_CASE("headers over the limit get 431", "[http]") {
  ServerOptions options;
  options.max_header_bytes = 1024;
  auto server = StartPlain(options, SayHello);
  CHECK(Ask(server->port(), "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(2000, 'x')).find(" 431 ") !=
        std::string::npos);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 101; ++i) many += "a:b\r\n";
  CHECK(Ask(server->port(), many + "\r\n").find(" 431 ") != std::string::npos);
  CHECK(server->counters().header_too_large == 2);
}

TEST_CASE("what is not HTTP, or means two things, gets 400", "[http]") {
  auto server = StartPlain({}, SayHello);
  const char* text = GENERATE(
      "nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  CAPTURE(text);
  CHECK(Ask(server->port(), text).find(" 400 ") != std::string::npos);
  CHECK(server->counters().requests == 0);
}

TEST_CASE("a slow client gets 408 and disturbs nobody", "[http]") {
  ServerOptions options;
  options.header_timeout = absl::Milliseconds(80);
  options.body_timeout = absl::Milliseconds(80);
  auto server = StartPlain(options, SayHello);
  RawSocket slow_header = RawSocket::Connect(server->port());
  slow_header.Write("GET / HTTP/1.1\r\nHost:");
  RawSocket slow_body = RawSocket::Connect(server->port());
  slow_body.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  CHECK(Ask(server->port(), "GET /ok HTTP/1.0\r\n\r\n").find("hello /ok") != std::string::npos);
  CHECK(slow_header.ReadAll().find("408 Request Timeout") != std::string::npos);
  CHECK(slow_body.ReadAll().find("The body took too long") != std::string::npos);
  CHECK(server->counters().timeouts == 2);
}

TEST_CASE("an idle connection is closed", "[http]") {
  ServerOptions options;
  options.idle_timeout = absl::Milliseconds(50);
  auto server = StartPlain(options, SayHello);
  CHECK(RawSocket::Connect(server->port()).ReadAll().empty());
}

TEST_CASE("connections over the limit are closed, the others live", "[http]") {
  ServerOptions options;
  options.max_connections = 1;
  auto server = StartPlain(options, SayHello);
  RawSocket first = RawSocket::Connect(server->port());
  first.Write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(first.ReadUntil("hello /a").find("200 OK") != std::string::npos);
  CHECK(RawSocket::Connect(server->port()).ReadAll().empty());
  CHECK(server->counters().connections_refused == 1);
  first.Write("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(first.ReadUntil("hello /b").find("200 OK") != std::string::npos);
}

TEST_CASE("requests that no thread is free for get 503", "[http]") {
  ServerOptions options;
  options.handler_threads = 1;
  options.max_queued_requests = 1;
  Latch latch;
  auto server = StartPlain(options, [&](Request, ResponseWriter writer) {
    latch.Wait();
    writer.Send({200, {}, "done"});
  });
  const std::string get = "GET / HTTP/1.0\r\n\r\n";
  RawSocket running = RawSocket::Connect(server->port());
  running.Write(get);
  latch.AwaitArrivals(1);
  RawSocket queued = RawSocket::Connect(server->port());
  queued.Write(get);
  while (server->counters().requests < 2) std::this_thread::yield();
  CHECK(Ask(server->port(), get).find(" 503 ") != std::string::npos);
  latch.Open();
  CHECK(running.ReadAll().find("done") != std::string::npos);
  CHECK(queued.ReadAll().find("done") != std::string::npos);
}

TEST_CASE("a handler that drops the writer or throws answers 500", "[http]") {
  auto server = StartPlain({}, [](Request request, ResponseWriter writer) {
    if (request.target == "/throw") throw std::runtime_error("x");
  });
  CHECK(Ask(server->port(), "GET / HTTP/1.0\r\n\r\n").find(" 500 ") != std::string::npos);
  CHECK(Ask(server->port(), "GET /throw HTTP/1.0\r\n\r\n").find(" 500 ") != std::string::npos);
}

TEST_CASE("100 Continue is sent when the client waits for it; HEAD gets no body", "[http]") {
  auto server = StartPlain({}, SayHello);
  RawSocket socket = RawSocket::Connect(server->port());
  socket.Write("POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(socket.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Write("ok");
  CHECK(socket.ReadUntil("hello /x").find("200 OK") != std::string::npos);
  const std::string head = Ask(server->port(), "HEAD /y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(head.find("content-length: 8") != std::string::npos);
  CHECK(head.find("hello") == std::string::npos);
}

TEST_CASE("a stream arrives as it is written, in chunks", "[http]") {
  std::shared_ptr<StreamWriter> stream;
  Latch started;
  auto server = StartPlain({}, [&](Request, ResponseWriter writer) {
    stream = writer.Stream(200, {{"content-type", "text/event-stream"}});
    started.Open();
    started.Wait();
  });
  RawSocket socket = RawSocket::Connect(server->port());
  socket.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  started.AwaitArrivals(1);
  CHECK(socket.ReadUntil("\r\n\r\n").find("transfer-encoding: chunked") != std::string::npos);
  CHECK(stream->Write("data: 1\n\n"));
  CHECK(socket.ReadUntil("\n\n\r\n") == "9\r\ndata: 1\n\n\r\n");
  CHECK(stream->Write("data: 2\n\n"));
  stream->Finish();
  CHECK_FALSE(stream->Write("late"));
  CHECK(socket.ReadAll() == "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
}

TEST_CASE("a stream's reader that stops reading fills a bounded queue, and is told of as closed when gone", "[http]") {
  ServerOptions options;
  options.max_stream_queue_bytes = 100'000;
  std::shared_ptr<StreamWriter> stream;
  Latch started;
  auto server = StartPlain(options, [&](Request, ResponseWriter writer) {
    stream = writer.Stream(200, {});
    started.Open();
    started.Wait();
  });
  RawSocket socket = RawSocket::Connect(server->port());
  socket.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  started.AwaitArrivals(1);
  const std::string chunk(50'000, 'x');
  size_t taken = 0;
  while (stream->Write(chunk) && taken < 100'000'000) taken += chunk.size();
  CHECK(taken < 100'000'000);
  CHECK(stream->Queued() <= 100'000);
  CHECK_FALSE(stream->Closed());
  std::atomic<bool> woken{false};
  stream->OnDrained([&] { woken = true; });
  socket.Reset();
  while (!stream->Closed()) std::this_thread::yield();  // some of the queue may still have left before
  while (!woken) std::this_thread::yield();
  CHECK_FALSE(stream->Write("x"));
}

TEST_CASE("draining lets answers under way finish, ends streams, refuses new connections", "[http]") {
  Latch latch;
  Latch streaming;
  auto server = StartPlain({}, [&](Request request, ResponseWriter writer) {
    if (request.target == "/stream") {
      auto stream = writer.Stream(200, {});
      stream->Write("begun");
      return;
    }
    latch.Wait();
    writer.Send({200, {}, "finished"});
  });
  RawSocket idle = RawSocket::Connect(server->port());
  RawSocket busy = RawSocket::Connect(server->port());
  busy.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  RawSocket stream = RawSocket::Connect(server->port());
  stream.Write("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(stream.ReadUntil("begun").find("200 OK") != std::string::npos);
  latch.AwaitArrivals(1);
  std::thread drain([&] { server->Drain(absl::Seconds(5)); });
  CHECK(idle.ReadAll().empty());
  CHECK(stream.ReadAll().find("0\r\n\r\n") != std::string::npos);
  latch.Open();
  CHECK(busy.ReadAll().find("finished") != std::string::npos);
  drain.join();
}

TEST_CASE("draining closes what does not end in time", "[http]") {
  Latch latch;
  auto server = StartPlain({}, [&](Request, ResponseWriter writer) {
    latch.Wait();
    writer.Send({200, {}, "finished"});
  });
  RawSocket busy = RawSocket::Connect(server->port());
  busy.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  latch.AwaitArrivals(1);
  std::thread drain([&] { server->Drain(absl::Milliseconds(20)); });
  CHECK(busy.ReadAll().empty());
  latch.Open();
  drain.join();
}

TEST_CASE("listening can be switched off and on on the same port", "[http]") {
  auto server = StartPlain({}, SayHello);
  HttpClient client({});
  ClientRequest request;
  request.url = {false, "127.0.0.1", server->port(), "/"};
  REQUIRE(server->Listen(false).ok());
  CHECK(client.Send(request).reach == Reach::kNotSent);
  REQUIRE(server->Listen(true).ok());
  CHECK(client.Send(request).reach == Reach::kAnswered);
}

TEST_CASE("bad options are named", "[http]") {
  ServerOptions options;
  options.address = "localhost";
  CHECK(HttpServer::Start(options, SayHello).status().code() == absl::StatusCode::kInvalidArgument);
  options.address = "127.0.0.1";
  options.tls = {"/nowhere.pem", "/nowhere.key"};
  CHECK(std::string(HttpServer::Start(options, SayHello).status().message()).find("/nowhere.pem") !=
        std::string::npos);
  auto first = StartPlain({}, SayHello);
  ServerOptions taken;
  taken.port = first->port();
  CHECK(HttpServer::Start(taken, SayHello).status().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("TLS files are read again for new connections, a broken file changes nothing", "[http]") {
  testing::TestPki first, second;
  auto files = first.Issue("server", {"IP:127.0.0.1"});
  ServerOptions options;
  options.tls = {first.folder() + "/live.pem", first.folder() + "/live.key"};
  auto install = [&](const testing::TestPki::Files& from) {
    CHECK(std::rename(from.certificate.c_str(), options.tls.certificate_file.c_str()) == 0);
    CHECK(std::rename(from.key.c_str(), options.tls.key_file.c_str()) == 0);
  };
  install(files);
  auto server = StartPlain(options, SayHello);
  ClientRequest request;
  request.url = {true, "127.0.0.1", server->port(), "/"};
  ClientOptions trust_first, trust_second;
  trust_first.ca_file = first.ca_file();
  trust_second.ca_file = second.ca_file();
  CHECK(HttpClient(trust_first).Send(request).reach == Reach::kAnswered);
  install(second.Issue("server", {"IP:127.0.0.1"}));
  CHECK(server->ReloadTls().ok());
  CHECK(HttpClient(trust_second).Send(request).reach == Reach::kAnswered);
  CHECK(std::remove(options.tls.key_file.c_str()) == 0);
  CHECK_FALSE(server->ReloadTls().ok());
  CHECK(HttpClient(trust_second).Send(request).reach == Reach::kAnswered);
}

}  // namespace flattone::http
