#include "services/tokenisation-vault/service/held_codes.h"

#include <algorithm>
#include <cstring>

namespace flattone::vault {

void HeldCodes::Put(const std::string& token, card::SecurityCode code, int64_t deadline_nanos) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  codes_.insert_or_assign(token, Held{std::move(code), deadline_nanos});
}

bool HeldCodes::Has(const std::string& token) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return codes_.count(token) != 0;
}

bool HeldCodes::AddTo(const std::string& token, crypto::SecretCard& card, int64_t now_nanos) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = codes_.find(token);
  if (found == codes_.end()) return false;
  Held& held = found->second;
  if (now_nanos >= held.deadline_nanos) {
    codes_.erase(found);
    return false;
  }
  if (!held.released) held.deadline_nanos = std::min(held.deadline_nanos, now_nanos + after_release_nanos_);
  held.released = true;
  const secret::ClearCardAccess access("add the code to the card that leaves for the adapter");
  const std::string_view digits = held.code.digits().RevealText(access);
  crypto::ClearCard& clear = card.Update(access);
  if (digits.size() > clear.security_code.size()) return false;
  std::memcpy(clear.security_code.data(), digits.data(), digits.size());
  clear.security_code_size = static_cast<uint8_t>(digits.size());
  if (release_once_) codes_.erase(found);
  return true;
}

bool HeldCodes::Wipe(const std::string& token) {
  std::lock_guard<std::mutex> lock(mutex_);
  return codes_.erase(token) != 0;
}

size_t HeldCodes::Sweep(int64_t now_nanos) {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::erase_if(codes_, [now_nanos](const auto& code) { return code.second.deadline_nanos <= now_nanos; });
}

size_t HeldCodes::Drain() {
  std::lock_guard<std::mutex> lock(mutex_);
  release_once_ = true;
  return std::erase_if(codes_, [](const auto& code) { return code.second.released; });
}

void HeldCodes::WipeAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  codes_.clear();
}

void HeldCodes::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  codes_.clear();
}

size_t HeldCodes::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return codes_.size();
}

}  // namespace flattone::vault
