#include "libs/rtp/packet.h"

#include <vector>

#include "libs/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::rtp;
  const auto packet = PacketView::Parse({data, size});
  if (!packet) return 0;
  uint32_t sum = packet->extension_profile();
  for (size_t i = 0; i < packet->csrc_count(); ++i) sum += packet->csrc(i);
  for (uint8_t byte : packet->extension()) sum += byte;
  for (uint8_t byte : packet->payload()) sum += byte;
  std::vector<uint8_t> out(size + (sum & 1));
  const size_t written = WritePacket(packet->header(), packet->payload(), out);
  const auto again = PacketView::Parse(std::span(out).first(written));
  FT_CHECK(again && again->payload().size() == packet->payload().size() && again->ssrc() == packet->ssrc() &&
               again->sequence() == packet->sequence() && again->marker() == packet->marker(),
           "a packet written from a view must read back");
  return 0;
}
