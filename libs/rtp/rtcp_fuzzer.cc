#include "libs/rtp/rtcp.h"

#include <vector>

#include "libs/base/check.h"
#include "libs/rtp/rewriter.h"

namespace {

uint32_t Read(const flattone::rtp::RtcpPacket& packet) {
  using namespace flattone::rtp;
  uint32_t sum = 0;
  if (auto sr = SenderReport::Of(packet)) {
    sum += sr->octet_count();
    for (size_t i = 0; i < sr->block_count(); ++i) sum += sr->block(i).jitter;
  }
  if (auto rr = ReceiverReport::Of(packet)) {
    for (size_t i = 0; i < rr->block_count(); ++i) sum += rr->block(i).extended_highest;
  }
  if (auto nack = Nack::Of(packet)) {
    for (size_t i = 0; i < nack->size(); ++i) sum += nack->sequence(i) + nack->mask(i);
  }
  if (packet.type == RtcpType::kExtendedReport) {
    ForEachExtendedBlock(packet, [&](const ExtendedBlock& block) {
      if (block.has_sequences()) sum += block.ssrc() + block.begin_sequence();
    });
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::rtp;
  const auto compound = RtcpCompound::Parse({data, size});
  if (!compound) return 0;
  volatile uint32_t sum = 0;
  for (const RtcpPacket packet : *compound) sum = sum + Read(packet);
  HeaderRewriter sent, received;
  sent.Forward(data[size - 1]);
  sent.LeaveOut(static_cast<uint16_t>(data[size - 1] + 1), 4);
  received.Forward(data[0]);
  received.PutIn(160);
  for (const bool capturing : {false, true}) {
    std::vector<uint8_t> out(size);
    const size_t written = RewriteRtcp(*compound, sent, received, capturing, out);
    FT_CHECK(written == 0 || RtcpCompound::Parse(std::span(out).first(written)), "what leaves must be RTCP");
  }
  return 0;
}
