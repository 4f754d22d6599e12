// Datagrams that the core wants sent. The shell gives the function that sends them; the core never sees a socket.
// Bytes are either the caller's receive buffer or room from Buffer(); both stay valid until Flush() returns.
// Room from Buffer() is zeroed after each flush. One thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "services/media-relay/media/endpoint.h"

namespace flattone::relay {

// Which socket: call slot × 4 + side × 2 + (1 for RTCP).
using PortId = uint32_t;

struct Outgoing {
  PortId port = 0;
  Endpoint to;
  std::span<const uint8_t> bytes;
};

class Outbox {
 public:
  static constexpr size_t kRoom = 2048;  // per buffer: no datagram of ours is larger
  using Send = std::function<void(std::span<const Outgoing>)>;

  Outbox(size_t capacity, Send send) : send_(std::move(send)), capacity_(capacity), rooms_(capacity * kRoom) {
    items_.reserve(capacity);
  }
  ~Outbox() { Flush(); }

  // Room for one datagram of at most kRoom bytes.
  std::span<uint8_t> Buffer() {
    if (items_.size() == capacity_ || used_ == capacity_) Flush();
    return {&rooms_[used_++ * kRoom], kRoom};
  }
  void Add(PortId port, const Endpoint& to, std::span<const uint8_t> bytes) {
    if (items_.size() == capacity_) Flush();
    items_.push_back({port, to, bytes});
  }
  void Flush() {
    if (!items_.empty()) send_(items_);
    items_.clear();
    if (used_ != 0) std::memset(rooms_.data(), 0, used_ * kRoom);
    used_ = 0;
  }

 private:
  Send send_;
  const size_t capacity_;
  std::vector<uint8_t> rooms_;
  size_t used_ = 0;
  std::vector<Outgoing> items_;
};

}  // namespace flattone::relay
