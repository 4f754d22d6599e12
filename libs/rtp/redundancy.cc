#include "libs/rtp/redundancy.h"

#include <cstring>

#include "libs/rtp/bytes.h"

namespace flattone::rtp {

std::optional<RedundancyView> RedundancyView::Parse(std::span<const uint8_t> payload) {
  RedundancyView view;
  std::array<size_t, kMaxRedundantBlocks> lengths;
  size_t at = 0;
  for (;; at += 4) {
    if (at >= payload.size()) return std::nullopt;
    RedundancyBlock& block = view.blocks_[view.size_];
    block.payload_type = payload[at] & 0x7f;
    if ((payload[at] & 0x80) == 0) break;
    if (view.size_ == kMaxRedundantBlocks || payload.size() - at < 4) return std::nullopt;
    const uint32_t word = Load24(&payload[at + 1]);
    block.timestamp_offset = static_cast<uint16_t>(word >> 10);
    lengths[view.size_++] = word & 0x3ff;
  }
  ++at;  // the newest block's one-byte header
  for (size_t i = 0; i < view.size_; ++i) {
    if (payload.size() - at < lengths[i]) return std::nullopt;
    view.blocks_[i].payload = payload.subspan(at, lengths[i]);
    at += lengths[i];
  }
  view.blocks_[view.size_++].payload = payload.subspan(at);
  return view;
}

size_t WriteRedundancy(std::span<const RedundancyBlock> older, const RedundancyBlock& primary, std::span<uint8_t> out) {
  if (older.size() > kMaxRedundantBlocks) return 0;
  size_t size = 4 * older.size() + 1 + primary.payload.size();
  for (const RedundancyBlock& block : older) {
    if (block.timestamp_offset >= 1 << 14 || block.payload.size() >= 1 << 10) return 0;
    size += block.payload.size();
  }
  if (size > out.size()) return 0;
  uint8_t* at = out.data();
  for (const RedundancyBlock& block : older) {
    const auto length = static_cast<uint32_t>(block.payload.size());
    Store32(at, 0x80000000u | uint32_t{block.payload_type} << 24 | uint32_t{block.timestamp_offset} << 10 | length);
    at += 4;
  }
  *at++ = primary.payload_type & 0x7f;
  for (const RedundancyBlock& block : older) {
    if (!block.payload.empty()) std::memcpy(at, block.payload.data(), block.payload.size());
    at += block.payload.size();
  }
  if (!primary.payload.empty()) std::memcpy(at, primary.payload.data(), primary.payload.size());
  return size;
}

}  // namespace flattone::rtp
