// For tests: a PSP that does as it is told and keeps its own ledger, a vault that hands out a test card.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libs/base/error.h"
#include "services/gateway-adapter/card/card_source.h"
#include "services/gateway-adapter/psp/psp.h"

namespace flattone::gateway::fakes {

// What the next Send does.
enum class Script { kApprove, kDecline, kRefuseConnection, kDropUnread, kChargeThenDrop, kChargeAndHold, kHoldBefore };

class FakePsp final : public PspAdapter {
 public:
  const std::vector<std::string>& credential_fields() const override {
    static const std::vector<std::string> fields = {"api_key"};
    return fields;
  }
  SendResult Send(const SendRequest& request) override {
    const Script script = Next();
    if (script == Script::kRefuseConnection) return {Sent::kNotSent, {.raw_code = "connect_failed"}};
    if (request.attempt.operation == Operation::kAuthorise) {
      if (const absl::Status mine = request.checkpoint("ref_" + request.attempt.attempt_id); !mine.ok()) return NotCheckpointed(mine);
    }
    request.on_connected();
    std::unique_lock lock(mutex_);
    ++sends;
    if (request.card != nullptr) {
      pan_sizes.push_back(request.card->Reveal(secret::ClearCardAccess("the fake counts the digits")).pan_size);
    }
    if (script == Script::kHoldBefore) held_.wait(lock, [this] { return released_; });
    if (script == Script::kDropUnread) return {Sent::kUnknown, {.raw_code = "time_out"}};
    const std::string& id = request.attempt.attempt_id;
    if (script == Script::kDecline || fenced.count(id) > 0) {
      return {Sent::kAnswered, {.answer = Answer::kDeclined, .instruction = Instruction::kOtherCard, .raw_code = decline_code}};
    }
    done.insert(id);
    if (script == Script::kChargeAndHold) held_.wait(lock, [this] { return released_; });
    if (script == Script::kChargeThenDrop) return {Sent::kUnknown, {.raw_code = "connection_lost"}};
    return {Sent::kAnswered, Facts(request.attempt)};
  }
  AskResult Ask(const Attempt& attempt, const Credentials&) override {
    std::lock_guard lock(mutex_);
    ++asks;
    if (silent) return {};
    if (done.count(attempt.attempt_id) > 0) return {Finding::kDone, Facts(attempt)};
    return {Finding::kNothingMoved, {}};
  }
  FenceResult Fence(const Attempt& attempt, const Credentials&) override {
    std::lock_guard lock(mutex_);
    ++fences;
    fenced.insert(attempt.attempt_id);
    return {FenceFinding::kFenced, {.raw_code = "fenced"}};
  }

  void Then(Script script) {
    std::lock_guard lock(mutex_);
    scripts_.push_back(script);
  }
  void Release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    held_.notify_all();
  }

  std::atomic<int> sends{0}, asks{0}, fences{0};
  std::atomic<bool> silent{false};
  std::string decline_code = "insufficient_funds";
  std::set<std::string> done, fenced;
  std::vector<int> pan_sizes;

 private:
  Script Next() {
    std::lock_guard lock(mutex_);
    if (scripts_.empty()) return Script::kApprove;
    const Script script = scripts_.front();
    scripts_.pop_front();
    return script;
  }
  static PspFacts Facts(const Attempt& attempt) {
    return {.answer = Answer::kApproved, .instruction = Instruction::kNone, .captured = attempt.capture_now,
            .psp_reference = "ref_" + attempt.attempt_id, .authorisation_code = "731554", .raw_code = {}};
  }
  std::mutex mutex_;
  std::condition_variable held_;
  bool released_ = false;
  std::deque<Script> scripts_;
};

class FakeCards final : public CardSource {
 public:
  absl::StatusOr<OpenedCard> Open(const Attempt&, bool security_code_required) override {
    ++opens;
    if (security_code_required && code_gone) {
      return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "security_code_gone", .field = {}, .limit = {}, .fix = {}}, "gone");
    }
    auto card = crypto::SecretCard::Create();
    if (!card.ok()) return card.status();
    crypto::ClearCard& clear = card->Update(secret::ClearCardAccess("fill in the public test number"));
    constexpr std::string_view kTestNumber = "4242424242424242";
    clear.pan_size = kTestNumber.size();
    std::copy(kTestNumber.begin(), kTestNumber.end(), clear.pan.begin());
    clear.expiry_month = 12;
    clear.expiry_year = 34;
    return OpenedCard{std::move(*card), 1, "4242"};
  }
  absl::Status Wipe(const Attempt& attempt, bool destroy) override {
    std::lock_guard lock(mutex_);
    if (away) return absl::UnavailableError("the vault is away");
    int& level = wiped[attempt.token_id];
    level = std::max(level, destroy ? 2 : 1);
    return absl::OkStatus();
  }
  int WipedLevel(const std::string& token) {
    std::lock_guard lock(mutex_);
    return wiped[token];
  }

  std::atomic<int> opens{0};
  std::atomic<bool> away{false}, code_gone{false};

 private:
  std::mutex mutex_;
  std::map<std::string, int> wiped;
};

}  // namespace flattone::gateway::fakes
