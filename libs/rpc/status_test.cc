#include "libs/rpc/status.h"

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::rpc {
namespace {

TEST_CASE("A refusal's detail survives the wire") {
  const absl::Status sent = Refusal(absl::StatusCode::kFailedPrecondition,
                                    {.code = "capture_elsewhere", .field = "handle", .limit = "x", .fix = "ask 10.0.0.7:7003"}, "it is elsewhere");
  const absl::Status got = FromGrpc(ToGrpc(sent));
  CHECK(got.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(got.message() == "it is elsewhere");
  const auto detail = DetailOf(got);
  REQUIRE(detail.has_value());
  CHECK((detail->code == "capture_elsewhere" && detail->field == "handle" && detail->limit == "x" && detail->fix == "ask 10.0.0.7:7003"));
}

TEST_CASE("A plain status keeps code and message; OK stays OK; garbage in the details is ignored") {
  CHECK(FromGrpc(ToGrpc(absl::OkStatus())).ok());
  const absl::Status plain = FromGrpc(ToGrpc(absl::NotFoundError("no such call")));
  CHECK((plain.code() == absl::StatusCode::kNotFound && plain.message() == "no such call" && !DetailOf(plain).has_value()));
  CHECK_FALSE(DetailOf(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "x", "\xff\xff garbage"))).has_value());
}

TEST_CASE("An over-long message is cut, so that trailers stay within HTTP/2's limits") {
  CHECK(ToGrpc(absl::InternalError(std::string(20000, 'x'))).error_message().size() == 1000);
}

}  // namespace
}  // namespace flattone::rpc
