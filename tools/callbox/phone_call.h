// One call: two legs put through the relay, what happens in it, its recordings and statistics.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/callbox/cards.h"
#include "tools/callbox/engine.h"
#include "tools/callbox/media_client.h"
#include "tools/callbox/options.h"
#include "tools/callbox/report.h"

namespace flattone::call {

// What all calls share, loaded once.
struct Material {
  std::shared_ptr<const std::vector<int16_t>> caller_voice, agent_voice;
  std::shared_ptr<const std::vector<Captured>> caller_capture, agent_capture;
  std::vector<KeyPress> script;
  std::vector<Card> cards;
};

class PhoneCall {
 public:
  PhoneCall(int index, const Options& options, const Material& material, Engine& engine, MediaClient& relay, Report& report);
  ~PhoneCall();

  // Offer, answer, sound on. The control thread of this call only; so the others.
  absl::Status PlaceCall();
  // Presses keys one after the other and waits until the last has been sent.
  absl::Status Type(std::string_view keys, const KeyStyle& style);
  void Press(const std::vector<KeyPress>& script);
  bool typing();
  // From now on delays count as those of a secured call.
  void MarkSecure(bool secure) { secure_.store(secure); }
  // Ends it at the relay, writes recordings and the line of statistics. Once.
  void HangUp();

  const std::string& reference() const { return reference_; }
  int index() const { return index_; }

 private:
  std::unique_ptr<Leg> MakeLeg(bool caller);
  absl::Status Connect();
  void WriteRecordings();
  bool recorded() const { return !options_.out.empty() && index_ < options_.record; }

  const int index_;
  const Options& options_;
  const Material& material_;
  Engine& engine_;
  MediaClient& relay_;
  Report& report_;
  std::string reference_;
  std::unique_ptr<Leg> caller_, agent_;
  std::atomic<bool> secure_{false};
  bool placed_ = false, started_ = false, ended_ = false;
};

}  // namespace flattone::call
