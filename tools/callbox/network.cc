#include "tools/callbox/network.h"

#include <algorithm>

namespace flattone::call {

Network::Network(const Impairments& impairments) : impairments_(impairments), random_(impairments.seed) {}

double Network::Uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

// Gilbert's model: in a burst the next packet is lost too with 1 - 1/burst; the rate into bursts keeps the share.
bool Network::Lose() {
  if (impairments_.loss <= 0) return false;
  const double leave = 1 / std::max(1.0, impairments_.loss_burst);
  const double enter = std::min(1.0, leave * impairments_.loss / std::max(1e-9, 1 - impairments_.loss));
  in_burst_ = in_burst_ ? Uniform() >= leave : Uniform() < enter;
  return in_burst_;
}

void Network::Plan(int64_t now_ns, int64_t frame_ns, std::vector<int64_t>& out) {
  if (Lose()) {
    ++lost_;
    return;
  }
  int64_t due = now_ns;
  if (impairments_.jitter_ms > 0) due += static_cast<int64_t>(Uniform() * impairments_.jitter_ms * 1e6);
  if (impairments_.reorder > 0 && Uniform() < impairments_.reorder) {
    ++reordered_;
    due += frame_ns + frame_ns / 2;
  } else {
    due = last_ns_ = std::max(due, last_ns_);
  }
  out.push_back(due);
  if (impairments_.duplicate > 0 && Uniform() < impairments_.duplicate) {
    ++duplicated_;
    out.push_back(due + frame_ns / 4);
  }
}

}  // namespace flattone::call
