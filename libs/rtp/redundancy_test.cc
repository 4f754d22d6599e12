#include "libs/rtp/redundancy.h"

#include <vector>

#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

using Bytes = std::vector<uint8_t>;

TEST_CASE("Wrapped blocks unwrap to the same") {
  const Bytes event = {1, 10, 3, 32}, audio(160, 0xff);
  const RedundancyBlock older[] = {{.payload_type = 101, .timestamp_offset = 16000, .payload = event},
                                   {.payload_type = 0, .timestamp_offset = 160, .payload = {}}};
  Bytes out(256);
  const size_t size = WriteRedundancy(older, {.payload_type = 0, .timestamp_offset = 0, .payload = audio}, out);
  REQUIRE(size == 4 + 4 + 1 + 4 + 160);
  const auto view = RedundancyView::Parse(std::span(out).first(size));
  REQUIRE(view.has_value());
  REQUIRE(view->blocks().size() == 3);
  CHECK(view->blocks()[0].payload_type == 101);
  CHECK(view->blocks()[0].timestamp_offset == 16000);
  CHECK(Bytes(view->blocks()[0].payload.begin(), view->blocks()[0].payload.end()) == event);
  CHECK(view->blocks()[1].payload.empty());
  CHECK(view->primary().payload_type == 0);
  CHECK(view->primary().payload.size() == 160);
}

TEST_CASE("A single block is one byte and the payload") {
  const Bytes bytes = {8, 1, 2};
  const auto view = RedundancyView::Parse(bytes);
  REQUIRE(view.has_value());
  CHECK(view->primary().payload_type == 8);
  CHECK(view->primary().payload.size() == 2);
}

TEST_CASE("Cut headers, wrong lengths and too many blocks are refused") {
  CHECK_FALSE(RedundancyView::Parse({}).has_value());
  CHECK_FALSE(RedundancyView::Parse(Bytes{0x80 | 101, 0, 0}).has_value());
  CHECK_FALSE(RedundancyView::Parse(Bytes{0x80 | 101, 0, 0, 4}).has_value());            // no newest block
  CHECK_FALSE(RedundancyView::Parse(Bytes{0x80 | 101, 0, 0, 4, 0, 1, 2}).has_value());   // four bytes promised, two there
  Bytes many;
  for (size_t i = 0; i <= kMaxRedundantBlocks; ++i) many.insert(many.end(), {0x80, 0, 0, 0});
  many.push_back(0);
  CHECK_FALSE(RedundancyView::Parse(many).has_value());
}

TEST_CASE("What the format cannot say is not written") {
  const Bytes big(1024);
  Bytes out(4096);
  const RedundancyBlock too_long[] = {{.payload_type = 0, .timestamp_offset = 1, .payload = big}};
  CHECK(WriteRedundancy(too_long, {}, out) == 0);
  const RedundancyBlock too_old[] = {{.payload_type = 0, .timestamp_offset = 16384, .payload = {}}};
  CHECK(WriteRedundancy(too_old, {}, out) == 0);
  CHECK(WriteRedundancy({}, {.payload_type = 0, .timestamp_offset = 0, .payload = big}, std::span(out).first(100)) == 0);
}

}  // namespace
}  // namespace flattone::rtp
