// A bad network by seed: which packets are lost, late, doubled or overtaken. Pure.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace flattone::call {

struct Impairments {
  double loss = 0;        // share of packets, 0 to 1
  double loss_burst = 1;  // mean number of packets lost in a row
  double jitter_ms = 0;   // each packet waits 0 to this long, order kept
  double reorder = 0;     // share of packets that the next one or two overtake
  double duplicate = 0;   // share of packets sent twice
  uint64_t seed = 1;
  bool any() const { return loss > 0 || jitter_ms > 0 || reorder > 0 || duplicate > 0; }
};

class Network {
 public:
  explicit Network(const Impairments& impairments);

  // When the packet that is due at `now_ns` leaves: no time (lost), one or two. Times of one stream never fall,
  // except for packets that are overtaken.
  void Plan(int64_t now_ns, int64_t frame_ns, std::vector<int64_t>& out);

  int64_t lost() const { return lost_; }
  int64_t duplicated() const { return duplicated_; }
  int64_t reordered() const { return reordered_; }

 private:
  double Uniform();
  bool Lose();

  Impairments impairments_;
  std::mt19937_64 random_;
  bool in_burst_ = false;
  int64_t last_ns_ = 0;
  int64_t lost_ = 0, duplicated_ = 0, reordered_ = 0;
};

}  // namespace flattone::call
