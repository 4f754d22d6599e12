#include "libs/base/error.h"
#include "libs/testing/catch.h"
#include "services/media-relay/call_rig.h"

namespace flattone::relay {
namespace {

using testing::CallRig;
using testing::PortOf;

std::string CodeOf(const absl::Status& status) { return DetailOf(status).value_or(ErrorDetail{}).code; }

TEST_CASE("A plain call is forwarded both ways through the relay's ports") {
  CallRig rig;
  rig.Connect();
  CHECK(rig.to_agent_sdp.find("m=audio " + std::to_string(rig.caller.port)) == std::string::npos);
  CHECK(rig.Say(1) == 0x55);
  rig.agent.SendTo(rig.agent_port, 1, 0x66);
  CHECK(rig.caller.Hear() == 0x66);
  const auto view = rig.calls->Query("one", "ten_a", "ref-1");
  REQUIRE(view.ok());
  CHECK(view->media.counts[0].packets_sent == 1);
  CHECK(view->legs[0].codec == "PCMU/8000");
  const auto ended = rig.calls->Delete("one", "ten_a", "ref-1");
  REQUIRE(ended.ok());
  CHECK(ended->media.counts[1].packets_received == 1);
  CHECK(absl::IsNotFound(rig.calls->Delete("one", "ten_a", "ref-1").status()));
  CHECK(rig.ports->free_pairs(false) == 5000);
  CHECK(rig.Told(CallEvent::Kind::kEnded));
}

TEST_CASE("Edges act for their own tenants and calls only, and another tenant's call is unknown") {
  CallRig rig;
  rig.Connect("ten_b");
  CHECK(CodeOf(rig.calls->Offer(rig.Request("ten_b", rig.caller.Sdp(), Side::kCaller, "two")).status()) == "tenant_not_of_edge");
  CHECK(CodeOf(rig.calls->Offer(rig.Request("ten_x", rig.caller.Sdp(), Side::kCaller)).status()) == "tenant_not_of_edge");
  CHECK(CodeOf(rig.calls->Offer(rig.Request("ten_a", rig.caller.Sdp(), Side::kCaller, "nobody")).status()) == "tenant_not_of_edge");
  const auto theirs = rig.calls->Get("ten_a", rig.call_id).status();
  const auto unknown = rig.calls->Get("ten_a", "call_none").status();
  CHECK(absl::IsNotFound(theirs));
  CHECK(theirs.message() == unknown.message());
  CHECK(absl::IsNotFound(rig.calls->Find("ten_a", "ref-1").status()));
  rig.MaskersReady();
  CHECK(absl::IsNotFound(rig.Start("cap_1", "ten_a").status()));
  CHECK(rig.calls->Get("ten_b", rig.call_id)->mode == SecureMode::kPlain);
}

TEST_CASE("Steps in the wrong state and bad descriptions are refused with their reason") {
  CallRig rig;
  CHECK(absl::IsNotFound(rig.calls->Answer(rig.Request("ten_a", rig.agent.Sdp(), Side::kAgent)).status()));
  CHECK(CodeOf(rig.calls->Offer(rig.Request("ten_a", "nonsense", Side::kCaller)).status()) == "invalid_field");
  CHECK(rig.calls->calls() == 0);
  CHECK(rig.registry.Value("flattone_relay_malformed_sdp_total") == 1);
  rig.Connect();
  CHECK_FALSE(rig.calls->Answer(rig.Request("ten_a", "v=0\r\nm=audio", Side::kAgent)).ok());
  CHECK(rig.registry.Value("flattone_relay_malformed_sdp_total") == 2);
  CHECK(CodeOf(rig.calls->Answer(rig.Request("ten_a", rig.agent.Sdp(), Side::kAgent)).status()) == "no_open_offer");
  CHECK(CodeOf(rig.calls->Offer(rig.Request("ten_a", rig.caller.Sdp(), std::nullopt)).status()) == "invalid_field");
  rig.calls->SetDraining(true);
  auto other = rig.Request("ten_a", rig.caller.Sdp(), Side::kCaller);
  other.call_reference = "ref-2";
  CHECK(CodeOf(rig.calls->Offer(other).status()) == "relay_draining");
  CHECK(rig.calls->Offer(rig.Request("ten_a", rig.caller.Sdp(), Side::kCaller)).ok());  // a re-offer is no new call
}

TEST_CASE("Where no side is named, the first offer is that of the edge's usual side and the answer the other's") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  const bool agents_edge = GENERATE(false, true);
  CAPTURE(agents_edge);
  const std::string edge = agents_edge ? "two" : "one";  // "two" stands at the agents' side
  const testing::Phone& first = agents_edge ? rig.agent : rig.caller;
  const testing::Phone& second = agents_edge ? rig.caller : rig.agent;
  const auto offer = rig.calls->Offer(rig.Request("ten_a", first.Sdp(), std::nullopt, edge));
  REQUIRE(offer.ok());
  const auto answer = rig.calls->Answer(rig.Request("ten_a", second.Sdp(), std::nullopt, edge));
  REQUIRE(answer.ok());
  rig.call_id = offer->call_id;
  rig.caller_port = PortOf(agents_edge ? offer->sdp : answer->sdp);
  rig.agent_port = PortOf(agents_edge ? answer->sdp : offer->sdp);
  CHECK(rig.Say(1) == 0x55);
  REQUIRE(rig.Start("cap_1").ok());
  CHECK(rig.IsMasked(rig.Say(2)));  // the caller's sound is masked, the agent's is not
  rig.agent.SendTo(rig.agent_port, 1, 0x66);
  CHECK(rig.caller.Hear() == 0x66);
  const auto view = rig.calls->Query(edge, "ten_a", "ref-1");
  REQUIRE(view.ok());
  CHECK(view->legs[Index(Side::kCaller)].remote.port == rig.caller.port);
  CHECK(view->legs[Index(Side::kAgent)].remote.port == rig.agent.port);
}

TEST_CASE("Calls beyond the capacity are refused and give their ports back") {
  CallRig rig;
  for (int i = 0; i < 9; ++i) {
    auto request = rig.Request("ten_a", rig.caller.Sdp(), Side::kCaller);
    request.call_reference = "many-" + std::to_string(i);
    const auto reply = rig.calls->Offer(request);
    CHECK(reply.ok() == (i < 8));
    if (!reply.ok()) CHECK(CodeOf(reply.status()) == "relay_full");
  }
  CHECK(rig.ports->free_pairs(false) == 5000 - 16);
}

TEST_CASE("A re-offer moves the caller and keeps the relay's ports") {
  CallRig rig;
  rig.Connect();
  CHECK(rig.Say(1) == 0x55);
  testing::Phone moved;
  const auto offer = rig.calls->Offer(rig.Request("ten_a", moved.Sdp(), Side::kCaller));
  REQUIRE(offer.ok());
  CHECK(offer->call_id == rig.call_id);
  CHECK(PortOf(offer->sdp) == rig.agent_port);
  REQUIRE(rig.calls->Answer(rig.Request("ten_a", rig.agent.Sdp(), Side::kAgent)).ok());
  rig.agent.SendTo(rig.agent_port, 5, 0x66);
  CHECK(moved.Hear() == 0x66);
}

TEST_CASE("A capture masks the caller, is opened again only after quiet, and keeps the call going") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  CHECK(rig.Say(1) == 0x55);
  const auto started = rig.Start("cap_1");
  REQUIRE(started.ok());
  CHECK(started->mode == SecureMode::kSecure);
  CHECK(started->codec == "PCMU/8000");
  const int masked = rig.Say(2);
  CHECK(rig.IsMasked(masked));
  CHECK(rig.Start("cap_1")->mode == SecureMode::kSecure);
  CHECK(CodeOf(rig.Start("cap_2").status()) == "capture_running");
  CHECK(CodeOf(rig.calls->StopSecure("ten_a", rig.call_id, "cap_9").status()) == "capture_mismatch");
  CHECK(*rig.calls->StopSecure("ten_a", rig.call_id, "cap_1") == SecureMode::kStopping);
  CHECK(rig.Say(3) == masked);
  rig.MaskerOf(masked).quiet = true;
  CHECK(rig.Say(4) == masked);
  REQUIRE(rig.Until([&] { return rig.Mode() == SecureMode::kPlain; }));
  CHECK(rig.Say(5) == 0x55);
  CHECK(rig.Until([&] {  // whose protection has ended is told: the session waits for it
    const std::lock_guard lock(rig.mutex);
    return !rig.events.empty() && rig.events.back().kind == CallEvent::Kind::kProtection &&
           rig.events.back().call.mode == SecureMode::kPlain && rig.events.back().call.capture_id == "cap_1";
  }));
  CHECK(*rig.calls->StopSecure("ten_a", rig.call_id, "cap_1") == SecureMode::kPlain);
  CHECK(rig.Until([&] { return rig.first.closed + rig.second.closed == 1; }));
}

TEST_CASE("The next capture may begin while the last one is stopping") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  rig.calls->StopSecure("ten_a", rig.call_id, "cap_1").IgnoreError();
  const auto next = rig.Start("cap_2");
  REQUIRE(next.ok());
  CHECK(next->mode == SecureMode::kSecure);
  CHECK(rig.calls->Get("ten_a", rig.call_id)->capture_id == "cap_2");
  CHECK(rig.IsMasked(rig.Say(2)));
}

TEST_CASE("A refused start leaves a plain call plain and a protected call protected") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  rig.first.refuse = rig.second.refuse = true;
  const auto refused = rig.Start("cap_1");
  CHECK(CodeOf(refused.status()) == "no_masker");
  CHECK(std::string(refused.status().message()).find("no such capture") != std::string::npos);
  CHECK(rig.Mode() == SecureMode::kPlain);
  CHECK(rig.Say(1) == 0x55);

  rig.first.refuse = rig.second.refuse = false;
  std::promise<absl::StatusOr<SecureReply>> done;
  rig.calls->Protect("one", "ten_a", "ref-1", {}, [&](absl::StatusOr<SecureReply> reply) { done.set_value(std::move(reply)); });
  REQUIRE(done.get_future().get().ok());
  rig.first.refuse = rig.second.refuse = true;
  CHECK_FALSE(rig.Start("cap_2").ok());
  CHECK(rig.Mode() != SecureMode::kPlain);
  CHECK(rig.IsMasked(rig.Say(2)));
}

TEST_CASE("A masker without room sends the leg to the other, and only when both are full is a start refused") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  SECTION("both full") {
    rig.first.full = rig.second.full = true;
    const auto refused = rig.Start("cap_1");
    CHECK(CodeOf(refused.status()) == "no_masker");
    CHECK(std::string(refused.status().message()).find("no room") != std::string::npos);
    CHECK(rig.first.opened + rig.second.opened == 2);
    CHECK(rig.Mode() == SecureMode::kPlain);
  }
  SECTION("the first that is asked is full") {
    rig.first.full = true;
    REQUIRE(rig.Start("cap_1").ok());
    REQUIRE(rig.calls->StopSecure("ten_a", rig.call_id, "cap_1").ok());
    rig.first.full = false;
    rig.second.full = true;
    REQUIRE(rig.Start("cap_2").ok());
    CHECK(rig.IsMasked(rig.Say(2)));
  }
  SECTION("the one that has it dies while the other is full: masked, and with its capture once there is room") {
    REQUIRE(rig.Start("cap_1").ok());
    uint16_t n = 1;
    const int heard = rig.Say(n);
    testing::FakeMasker& other = rig.Other(rig.MaskerOf(heard));
    other.full = true;
    rig.MaskerOf(heard).hang_up = true;
    REQUIRE(rig.Until([&] { return rig.Say(++n) != 0x55 && other.opened >= 2; }));
    other.full = false;
    CHECK(rig.MovesFrom(heard, ++n));
    CHECK(rig.calls->Get("ten_a", rig.call_id)->capture_id == "cap_1");
  }
}

TEST_CASE("A codec that cannot be masked is refused by name") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect("ten_a", "9 0 101");
  const auto refused = rig.Start("cap_1");
  CHECK(CodeOf(refused.status()) == "codec_not_supported");
  CHECK(std::string(refused.status().message()).find("G722/8000") != std::string::npos);
  CHECK(rig.Say(1) == 0x55);  // heard in PCMU now
  CHECK(rig.Start("cap_1").ok());
}

TEST_CASE("A re-offer that takes the heard codec away leaves the answer's first one to be masked") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect("ten_a", "9 101");
  rig.caller.SendTo(rig.caller_port, 1, 0x55, 9);
  REQUIRE(rig.agent.Hear() == 0x55);
  CHECK(CodeOf(rig.Start("cap_1").status()) == "codec_not_supported");
  rig.Connect("ten_a", "0 101");  // the same call; the caller has not spoken since
  const auto started = rig.Start("cap_1");
  REQUIRE(started.ok());
  CHECK(started->codec == "PCMU/8000");
  CHECK(rig.IsMasked(rig.Say(2)));
}

TEST_CASE("A start that failed is no capture, also when the call stays masked because it was") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  REQUIRE(rig.calls->StopSecure("ten_a", rig.call_id, "cap_1").ok());
  rig.first.refuse = rig.second.refuse = true;
  const int opened = rig.first.opened + rig.second.opened;
  CHECK_FALSE(rig.Start("cap_2").ok());
  REQUIRE(rig.Until([&] { return rig.first.opened + rig.second.opened == opened + 2; }));  // refused, then without a capture
  uint16_t n = 1;
  REQUIRE(rig.Until([&] { return rig.IsMasked(rig.Say(++n)); }));
  CHECK(rig.Mode() == SecureMode::kStopping);
  CHECK(rig.calls->Get("ten_a", rig.call_id)->captures == 1);
}

TEST_CASE("A masker that falls silent is given up, and the call goes on with the other, masked throughout") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  const int before = rig.Say(1);
  auto& old = rig.MaskerOf(before);
  const uint32_t epoch = old.last_epoch;
  const int told = rig.Other(old).before;
  old.silent = true;
  CHECK(rig.MovesFrom(before));
  CHECK(rig.Other(old).last_epoch > epoch);
  CHECK(rig.Other(old).before > told);  // what sounded before it came
  CHECK(rig.Told(CallEvent::Kind::kMaskerReplaced));
  CHECK(rig.Count(CallEvent::Kind::kMaskerLost) == 1);
  CHECK(rig.calls->Get("ten_a", rig.call_id)->media.masker_changes >= 1);
  CHECK(rig.registry.Value("flattone_relay_hop_stalled_streams_total") == 1);
}

TEST_CASE("Both maskers lost: the first that is back is told what sounded before its first frame") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  REQUIRE(rig.IsMasked(rig.Say(1)));
  rig.first.hang_up = rig.second.hang_up = true;
  uint16_t n = 1;
  REQUIRE(rig.Until([&] { return rig.Say(++n) != 0x55 && rig.registry.Value("flattone_relay_hop_streams") == 0; }));
  const int told = rig.first.before + rig.second.before;
  rig.first.hang_up = rig.second.hang_up = false;
  REQUIRE(rig.Until([&] { return rig.IsMasked(rig.Say(++n)); }));
  CHECK(rig.first.before + rig.second.before > told);
  CHECK(rig.registry.Value("flattone_relay_hop_homeless_frames_total") <= n);  // a packet is one frame
}

TEST_CASE("A leg without answers on a stream that gives them moves alone") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  const int before = rig.Say(1);
  rig.MaskerOf(before).deaf = true;
  CHECK(rig.MovesFrom(before));
  CHECK(rig.registry.Value("flattone_relay_hop_stalled_streams_total") == 0);
  CHECK(rig.registry.Value("flattone_relay_hop_streams") == 2);
  CHECK(rig.Until([&] { return rig.MaskerOf(before).closed == 1; }));
}

TEST_CASE("A stall that was said before the leg moved is not laid to the masker that has it now") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  const int before = rig.Say(1);
  rig.loop->Run([&](ShardLoop::Context&) {
    ToHop* record = rig.link.to_hop.Claim();
    record->type = ToHop::Type::kStalled;
    record->leg = 1;  // the first that the hop gave out
    record->sequence = 12345;
    record->size = 0;
    rig.link.to_hop.Publish();
  });
  for (uint16_t n = 2; n < 10; ++n) {
    CHECK(rig.Say(n) == before);
    rig.caller.Hear(20);
  }
  CHECK(rig.registry.Value("flattone_relay_hop_moved_legs_total") == 0);
}

TEST_CASE("When the other masker cannot have the capture any more, the call stays masked without one") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  const int before = rig.Say(1);
  auto& other = rig.Other(rig.MaskerOf(before));
  other.refuse = true;
  rig.MaskerOf(before).hang_up = true;
  CHECK(rig.MovesFrom(before));
  CHECK(rig.Told(CallEvent::Kind::kKeyLost));
  CHECK(*rig.calls->StopSecure("ten_a", rig.call_id, "cap_1") == SecureMode::kStopping);
  CHECK(rig.Count(CallEvent::Kind::kMaskerReplaced) == 0);  // nobody has taken the capture over
  other.quiet = true;
  CHECK(rig.Say(200) == 0x33 - before);
  CHECK(rig.Until([&] { return rig.Mode() == SecureMode::kPlain; }));
}

TEST_CASE("A masker that hangs up loses its legs to the other at once") {
  CallRig rig;
  REQUIRE(rig.MaskersReady());
  rig.Connect();
  REQUIRE(rig.Start("cap_1").ok());
  const int before = rig.Say(1);
  rig.MaskerOf(before).hang_up = true;
  CHECK(rig.MovesFrom(before));
}

}  // namespace
}  // namespace flattone::relay
