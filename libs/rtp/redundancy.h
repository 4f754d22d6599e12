// Redundant audio data (RFC 2198): older payloads ride in front of the newest.
//
//    0                   1                    2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |1|   block PT  |  timestamp offset (14)    | block length (10)   |  one per older block
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |0|   block PT  |                                                    the newest block: the rest
//   +-+-+-+-+-+-+-+-+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace flattone::rtp {

inline constexpr size_t kMaxRedundantBlocks = 8;  // older blocks per packet; more is refused

struct RedundancyBlock {
  uint8_t payload_type = 0;
  uint16_t timestamp_offset = 0;  // how much older than the packet's timestamp; 0 for the newest
  std::span<const uint8_t> payload;
};

class RedundancyView {
 public:
  // nullopt when headers or lengths do not fit the payload, or it holds more than kMaxRedundantBlocks older blocks.
  static std::optional<RedundancyView> Parse(std::span<const uint8_t> payload);

  // Oldest first as sent; the last is the newest ("primary") block.
  std::span<const RedundancyBlock> blocks() const { return {blocks_.data(), size_}; }
  const RedundancyBlock& primary() const { return blocks_[size_ - 1]; }

 private:
  RedundancyView() = default;
  std::array<RedundancyBlock, kMaxRedundantBlocks + 1> blocks_;
  size_t size_ = 0;
};

// Writes the older blocks and the newest as one payload. Returns its size, or 0 when it does not fit `out` or a
// block breaks the format's limits (offset < 16384, length < 1024).
size_t WriteRedundancy(std::span<const RedundancyBlock> older, const RedundancyBlock& primary, std::span<uint8_t> out);

}  // namespace flattone::rtp
