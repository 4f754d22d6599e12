#include "services/dtmf-masking/keys/key_sender.h"

#include <algorithm>
#include <utility>

#include "libs/crypto/capture_key.h"

namespace flattone::masking {
namespace {

bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::shared_ptr<KeySender> KeySender::Create(CaptureRef capture, KeySenderLimits limits, std::shared_ptr<VaultLink> link,
                                             Random& random, const Clock& clock, Listener listener) {
  return std::shared_ptr<KeySender>(
      new KeySender(std::move(capture), limits, std::move(link), random, clock, std::move(listener)));
}

void KeySender::Open() {
  if (opening_since_ == 0) {
    opening_since_ = clock_.MonotonicNanos();
    delay_ = limits_.first_retry;
  }
  link_->GetCaptureKey(capture_, std::min(limits_.attempt, limits_.open_bound),
                      [self = shared_from_this()](const absl::Status& status, const VaultLink::CaptureKey& key) {
                        self->OnOpened(status, key);
                      });
}

void KeySender::OnOpened(const absl::Status& status, const VaultLink::CaptureKey& key) {
  absl::Status result = status;
  if (status.ok()) {
    const auto parsed = crypto::ParsePublicKey("public_key", key.public_key);
    result = parsed.status();
    if (parsed.ok()) {
      public_key_ = *parsed;
      next_ordinal_ = key.first_ordinal;
      open_ = true;
    }
  } else if (MayPass(status) && Age(opening_since_) + delay_ < limits_.open_bound) {
    link_->After(NextDelay(), [self = shared_from_this()] { self->Open(); });
    return;
  }
  EndOpening(result);
}

// Told first, so that "open" comes before the keys; then what was pressed meanwhile leaves, or is wiped.
void KeySender::EndOpening(const absl::Status& status) {
  const auto self = shared_from_this();
  if (!open_) dead_ = status;
  std::deque<Early> early = std::exchange(early_, {});
  if (!open_) {
    for (const Early& key : early) Lost(key.onset, status);
  }
  const auto opened = listener_.opened;  // the listener may detach while it is told
  if (opened) opened(status);
  if (!open_) return;
  for (const Early& key : early) Seal(key.symbol, key.onset);
  next_ordinal_ += std::exchange(early_lost_, 0);  // the vault must see the gap
}

void KeySender::Send(const char* symbol, uint32_t onset) {
  if (!dead_.ok()) return Lost(onset, dead_);
  if (!open_ && early_.size() >= limits_.before_open) {
    ++early_lost_;
    return Lost(onset, absl::ResourceExhaustedError("too many keys before the capture's key was there"));
  }
  auto secret = secret::Secret<char>::Create();
  if (!secret.ok()) {
    ++(open_ ? next_ordinal_ : early_lost_);
    return Lost(onset, secret.status());
  }
  secret->Update(secret::ClearCardAccess("move a heard key press into locked memory")) = *symbol;
  if (open_) return Seal(*secret, onset);
  early_.push_back({*std::move(secret), onset});
}

void KeySender::Seal(const secret::Secret<char>& symbol, uint32_t onset) {
  const uint64_t ordinal = next_ordinal_++;  // also of a key that cannot be sent: the vault must see the gap
  if (queue_.size() >= limits_.waiting) return Lost(onset, absl::ResourceExhaustedError("too many keys wait for the vault"));
  auto sealed = crypto::SealKeyPress(random_, public_key_,
                                     {.tenant = capture_.tenant_id, .capture = capture_.capture_id,
                                      .epoch = capture_.epoch, .ordinal = ordinal, .onset = onset}, symbol);
  if (!sealed.ok()) return Lost(onset, sealed.status());
  queue_.push_back({{ordinal, onset, std::move(*sealed)}, clock_.MonotonicNanos()});
  if (!in_flight_) {
    delay_ = limits_.first_retry;
    Next();
  }
}

void KeySender::Next() {
  while (!queue_.empty() && Age(queue_.front().since) >= limits_.bound) {
    DropFront(absl::DeadlineExceededError("the vault did not take the key in time"));
  }
  in_flight_ = !queue_.empty();
  if (!in_flight_) return;
  link_->SubmitKey(capture_, queue_.front().key, limits_.attempt,
                  [self = shared_from_this()](const absl::Status& status) { self->OnSubmitted(status); });
}

void KeySender::OnSubmitted(const absl::Status& status) {
  if (status.ok()) {
    const Waiting done = std::move(queue_.front());
    queue_.pop_front();
    delay_ = limits_.first_retry;
    const auto delivered = listener_.delivered;
    if (delivered) delivered(done.key.onset, Age(done.since));
    return Next();
  }
  if (!MayPass(status)) {
    // One message that does not open is that message's fault; anything else ends the capture for this masker.
    if (status.code() != absl::StatusCode::kInvalidArgument) dead_ = status;
    DropFront(status);
    while (!dead_.ok() && !queue_.empty()) DropFront(dead_);
    return Next();
  }
  if (listener_.retried) listener_.retried();
  link_->After(NextDelay(), [self = shared_from_this()] { self->Next(); });
}

void KeySender::DropFront(const absl::Status& why) {
  const uint32_t onset = queue_.front().key.onset;
  queue_.pop_front();
  Lost(onset, why);
}

void KeySender::Lost(uint32_t onset, const absl::Status& why) {
  const auto lost = listener_.lost;
  if (lost) lost(onset, why);
}

absl::Duration KeySender::NextDelay() {
  const absl::Duration delay = delay_;
  delay_ = std::min(delay_ * 2, limits_.last_retry);
  return delay;
}

}  // namespace flattone::masking
