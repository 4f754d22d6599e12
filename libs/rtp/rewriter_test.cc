#include "libs/rtp/rewriter.h"

#include <string_view>
#include <vector>

#include "libs/rtp/sequence.h"
#include "libs/testing/catch.h"

namespace flattone::rtp {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Rewrite(const Bytes& in, const HeaderRewriter& sent, const HeaderRewriter& received, bool capturing) {
  const auto compound = RtcpCompound::Parse(in);
  REQUIRE(compound.has_value());
  Bytes out(in.size());
  out.resize(RewriteRtcp(*compound, sent, received, capturing, out));
  if (!out.empty()) REQUIRE(RtcpCompound::Parse(out).has_value());
  return out;
}

TEST_CASE("Before any change numbers and RTCP pass untouched") {
  HeaderRewriter rewriter;
  for (uint16_t n = 65530; n != 10; ++n) REQUIRE(rewriter.Forward(n) == n);
  CHECK(rewriter.identity());
  const Bytes app = {0x80, 201, 0, 1, 0, 0, 0, 9, 0x80, 204, 0, 2, 0, 0, 0, 9, 'f', 'o', 'o', 'o'};
  CHECK(Rewrite(app, rewriter, rewriter, false) == app);
}

TEST_CASE("A packet left out moves its successors up, a late one keeps its own number") {
  HeaderRewriter rewriter;
  CHECK(rewriter.Forward(10) == 10);
  rewriter.LeaveOut(12, 4);
  CHECK(rewriter.Forward(11) == 11);
  CHECK(rewriter.Forward(13) == 12);
  CHECK(rewriter.Forward(15) == 14);  // 14 was lost on the way and its gap stays
  CHECK(rewriter.packet_delta() == static_cast<uint32_t>(-1));
  CHECK(rewriter.octet_delta() == static_cast<uint32_t>(-4));
}

TEST_CASE("A packet put in comes behind the newest and moves the rest back") {
  HeaderRewriter rewriter;
  rewriter.Forward(0xffff);
  CHECK(rewriter.PutIn(160) == 0);
  CHECK(rewriter.PutIn(160) == 1);
  CHECK(rewriter.Forward(0) == 2);
  CHECK(rewriter.Forward(0xffff) == 0xffff);
}

TEST_CASE("A receiver's number finds the offset of its time") {
  HeaderRewriter rewriter;
  std::vector<std::pair<uint16_t, uint16_t>> sent;  // ingress, egress
  uint16_t n = 65000;
  for (int key = 0; key < 10; ++key) {
    for (int i = 0; i < 20; ++i, ++n) sent.emplace_back(n, rewriter.Forward(n));
    for (int i = 0; i < 3; ++i) rewriter.LeaveOut(n++, 4);
    if (key % 4 == 0) rewriter.PutIn(160);
  }
  for (size_t i = 1; i < sent.size(); ++i) REQUIRE(SequenceNewer(sent[i].second, sent[i - 1].second));
  for (size_t i = sent.size() - 150; i < sent.size(); ++i) REQUIRE(rewriter.Ingress(sent[i].second) == sent[i].first);
}

TEST_CASE("The offset holds for the rest of a long call, over many wraps") {
  HeaderRewriter rewriter;
  rewriter.Forward(0);
  rewriter.PutIn(160);
  uint16_t n = 1;
  for (int i = 0; i < 300'000; ++i, ++n) REQUIRE(rewriter.Forward(n) == static_cast<uint16_t>(n + 1));
  CHECK(rewriter.Ingress(100) == 99);
}

TEST_CASE("Two in a row far behind are a sender's new numbers; one, or some that are only late, are not") {
  HeaderRewriter rewriter;
  CHECK_FALSE(rewriter.Restarts(20000));
  rewriter.Forward(20000);
  rewriter.PutIn(160);
  for (const uint16_t late : {19999, 19900, 19901, 19902, 19800, 100, 20001, 101, 103}) CHECK_FALSE(rewriter.Restarts(late));
  CHECK(rewriter.Restarts(104));
  rewriter.Restart(104);
  CHECK_FALSE(rewriter.Restarts(104));
  CHECK(rewriter.Forward(104) == 105);  // the offset holds
  CHECK(rewriter.newest_ingress() == 104);
  CHECK(rewriter.Ingress(105) == 104);
}

TEST_CASE("Sender counts and report numbers follow the packets") {
  HeaderRewriter caller, agent;
  caller.Forward(100);
  caller.LeaveOut(101, 4);
  caller.Resize(160, 100);
  agent.Forward(7);
  agent.PutIn(160);
  agent.PutIn(160);
  agent.Forward(0);  // late, before the change
  Bytes in(52);
  const ReportBlock block{.ssrc = 2, .fraction_lost = 0, .cumulative_lost = 0, .extended_highest = 0x20000 + 1,
                          .jitter = 0, .last_sr = 0, .delay_since_last_sr = 0};
  HeaderRewriter wrapped;
  wrapped.Forward(0xfffd);
  wrapped.PutIn(1);
  wrapped.PutIn(1);
  wrapped.PutIn(1);
  wrapped.Forward(0xfffe);  // leaves as 1, in the next cycle
  WriteSenderReport({.ssrc = 1, .ntp = 0, .rtp_timestamp = 160, .packet_count = 50, .octet_count = 8000},
                    std::span(&block, 1), in);
  const Bytes out = Rewrite(in, caller, wrapped, false);
  const auto report = SenderReport::Of(*RtcpCompound::Parse(out)->begin());
  CHECK(report->packet_count() == 49);
  CHECK(report->octet_count() == 8000 - 4 - 60);
  CHECK(report->rtp_timestamp() == 160);
  CHECK(report->block(0).extended_highest == 0x1fffe);
}

TEST_CASE("NACK and XR numbers are translated; a thinned or straddling list is left out") {
  HeaderRewriter plain, shifted;
  shifted.Forward(10);
  shifted.LeaveOut(11, 4);  // 12 leaves as 11
  shifted.Forward(12);
  const Bytes nack = {0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 20, 0, 0};
  CHECK(Nack::Of(*RtcpCompound::Parse(Rewrite(nack, plain, shifted, true))->begin())->sequence(0) == 21);

  Bytes xr = {0x80, 207, 0, 4, 0, 0, 0, 1, 1, 0, 0, 2, 0, 0, 0, 2, 0, 20, 0, 30};
  Bytes out = Rewrite(xr, plain, shifted, true);
  REQUIRE(out.size() == xr.size());
  CHECK(Load16(&out[16]) == 21);
  CHECK(Load16(&out[18]) == 31);
  SECTION("thinned") { xr[9] = 1; }
  SECTION("begins before the change") { xr[17] = 5; }
  CHECK(Rewrite(xr, plain, shifted, true).empty());
}

TEST_CASE("While capturing only what is known and clean passes") {
  const HeaderRewriter none;
  const Bytes report = {0x80, 201, 0, 2, 0, 0, 0, 9, 'e', 'x', 't', '!'};  // RR with a profile extension
  Bytes in = report;
  SECTION("APP") { in.insert(in.end(), {0x80, 204, 0, 2, 0, 0, 0, 9, 'f', 'o', 'o', 'o'}); }
  SECTION("unknown type") { in.insert(in.end(), {0x80, 209, 0, 1, 1, 2, 3, 4}); }
  SECTION("feedback that is no NACK") { in.insert(in.end(), {0x8f, 205, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}); }
  SECTION("a note in the description") {
    in.insert(in.end(), {0x81, 202, 0, 3, 0, 0, 0, 9, 7, 2, 'h', 'i', 0, 0, 0, 0});
  }
  SECTION("a metrics block with levels") {
    in.insert(in.end(), {0x80, 207, 0, 2, 0, 0, 0, 9, 7, 0, 0, 0});
  }
  CHECK(Rewrite(in, none, none, false) == in);
  const Bytes clean = {0x80, 201, 0, 1, 0, 0, 0, 9};
  CHECK(Rewrite(in, none, none, true) == clean);
}

TEST_CASE("While capturing a BYE loses its reason, and nothing is sent without a report in front") {
  const HeaderRewriter none;
  const Bytes bye = {0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 2, 0, 0, 0, 9, 3, 'h', 'i', '!'};
  CHECK(Rewrite(bye, none, none, true) == Bytes{0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 9});
  const Bytes picture = {0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 8, 0x81, 203, 0, 1, 0, 0, 0, 9};
  CHECK(Rewrite(picture, none, none, true).empty());
}

}  // namespace
}  // namespace flattone::rtp
