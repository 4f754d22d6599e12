#include "services/session-orchestration/rest/sse.h"

#include <google/protobuf/descriptor.h>

#include <thread>

#include "libs/base/error.h"
#include "libs/http/testing/raw_socket.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/rest/door.h"
#include "services/session-orchestration/rest/test_dispatcher.h"

namespace flattone::session::rest {
namespace {

using http::testing::RawSocket;

struct Harness {
  explicit Harness(DoorOptions door_options = {}, http::ServerOptions options = {}) {
    door = RestDoor::Make(door_options, PublicServices(),
                          &dispatcher, random, registry).value();
    server = http::HttpServer::Start(options, [this](http::Request request, http::ResponseWriter writer) {
               door->Handle(std::move(request), std::move(writer));
             }).value();
  }
  ~Harness() {
    server->Drain(absl::Seconds(1));
    door.reset();
    CHECK(dispatcher.tape.readers == 0);
  }
  RawSocket Open(const std::string& headers = "") {
    RawSocket socket = RawSocket::Connect(server->port());
    socket.Write("GET /v1/sessions/ses_1/events:stream HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
    return socket;
  }
  void AwaitStreams(int count) {
    while (door->open_streams() != count) std::this_thread::yield();
  }

  testing::SeededRandom random{3};
  obs::Registry registry;
  TestDispatcher dispatcher;
  std::unique_ptr<RestDoor> door;
  std::unique_ptr<http::HttpServer> server;
};

}  // namespace

TEST_CASE("events come with id, name and data: those there are, then those that happen", "[rest]") {
  Harness harness;
  harness.dispatcher.tape.Append(2);
  RawSocket socket = harness.Open();
  CHECK(socket.ReadUntil("\r\n\r\n").find("content-type: text/event-stream") != std::string::npos);
  const std::string first = socket.ReadUntil("id: 2\nevent: payment.captured\n");
  CHECK(first.find("retry: 2000") != std::string::npos);
  CHECK(first.find("id: 1\nevent: payment.captured\ndata: {") != std::string::npos);
  harness.dispatcher.tape.Append();
  CHECK(socket.ReadUntil("\"session_sequence\":\"3\"").find("id: 3\n") != std::string::npos);
  CHECK(harness.dispatcher.last_request == "session_id: \"ses_1\"");
}

TEST_CASE("Last-Event-ID goes on behind that event", "[rest]") {
  Harness harness;
  harness.dispatcher.tape.Append(5);
  RawSocket socket = harness.Open("Last-Event-ID: 4\r\n");
  const std::string text = socket.ReadUntil("id: 5\n");
  CHECK(text.find("id: 4\n") == std::string::npos);
  CHECK(text.find("id: 5\n") != std::string::npos);
}

TEST_CASE("a stream that is over closes in order, one that fails says why", "[rest]") {
  Harness harness;
  harness.dispatcher.tape.Append(1);
  SECTION("over") {
    harness.dispatcher.tape.End(absl::OutOfRangeError("over"));
    const std::string text = harness.Open().ReadAll();
    CHECK(text.find("id: 1\n") != std::string::npos);
    CHECK(text.find("event: error") == std::string::npos);
    CHECK(text.substr(text.size() - 7) == "\r\n0\r\n\r\n");
  }
  SECTION("revoked in the middle") {
    RawSocket socket = harness.Open();
    socket.ReadUntil("id: 1\n");
    harness.dispatcher.tape.End(Refusal(absl::StatusCode::kUnauthenticated, {.code = "key_revoked", .field = {}, .limit = {}, .fix = {}}, "revoked"));
    CHECK(socket.ReadAll().find("event: error\ndata: {\"type\":\"urn:flattone:problem:key_revoked\"") != std::string::npos);
  }
  harness.AwaitStreams(0);
}

TEST_CASE("a refused stream is a problem document, not a stream", "[rest]") {
  Harness harness;
  harness.dispatcher.refusal = absl::NotFoundError("no such session");
  CHECK(harness.Open("Connection: close\r\n").ReadAll().find(" 404 ") != std::string::npos);
  CHECK(harness.door->open_streams() == 0);
}

TEST_CASE("a quiet stream is kept alive", "[rest]") {
  DoorOptions options;
  options.heartbeat = absl::Milliseconds(20);
  Harness harness(options);
  RawSocket socket = harness.Open();
  CHECK(socket.ReadUntil(": alive\n\n").find("200 OK") != std::string::npos);
  CHECK(socket.ReadUntil(": alive\n\n").find(": alive") != std::string::npos);
}

TEST_CASE("a client that goes away frees its stream", "[rest]") {
  Harness harness;
  {
    RawSocket socket = harness.Open();
    socket.ReadUntil("retry: 2000");
    harness.AwaitStreams(1);
    socket.Reset();
  }
  harness.AwaitStreams(0);
}

TEST_CASE("a slow reader gets everything in order, through a small queue", "[rest]") {
  http::ServerOptions options;
  options.max_stream_queue_bytes = 64 * 1024;
  Harness harness({}, options);
  harness.dispatcher.tape.padding = 900;  // 5 MB in all, each batch over the queue's bound
  harness.dispatcher.tape.Append(5000);
  harness.dispatcher.tape.End(absl::OutOfRangeError("over"));
  RawSocket socket = harness.Open();
  int expected = 1;
  std::string rest;
  while (expected <= 5000) {
    rest = socket.ReadUntil("\nevent: ");
    const size_t at = rest.rfind("id: ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::stoi(rest.substr(at + 4)) == expected);
    ++expected;
  }
}

TEST_CASE("streams over the limit get 503", "[rest]") {
  DoorOptions options;
  options.max_streams = 1;
  Harness harness(options);
  RawSocket first = harness.Open();
  first.ReadUntil("retry: 2000");
  CHECK(harness.Open("Connection: close\r\n").ReadAll().find("too_many_streams") != std::string::npos);
}

TEST_CASE("events are formatted so that nothing breaks out of its line", "[rest]") {
  CHECK(FormatEvent("1", "a", "{}") == "id: 1\nevent: a\ndata: {}\n\n");
  CHECK(FormatEvent("1\nid: 2", "a\rb", "x\ny") == "id: 1id: 2\nevent: ab\ndata: x\ndata: y\n\n");
  CHECK(FormatEvent("", "", "") == "data: \n\n");
}

}  // namespace flattone::session::rest
