#include "libs/secret/bytes.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/secret/arena.h"

namespace flattone::secret {

absl::StatusOr<SecretBytes> SecretBytes::Create(size_t capacity) {
  SecretBytes bytes;
  bytes.data_ = static_cast<uint8_t*>(Arena::Process().Allocate(capacity));
  if (bytes.data_ == nullptr) {
    return Refusal(absl::StatusCode::kResourceExhausted,
                   {.code = "secret_memory_full", .fix = "retry later; the operator can raise the size of the secret arena"},
                   absl::StrCat("no locked memory left for ", capacity, " bytes"));
  }
  bytes.capacity_ = capacity;
  return bytes;
}

absl::StatusOr<SecretBytes> SecretBytes::CopyOf(std::span<const uint8_t> source) {
  auto bytes = Create(source.size());
  if (bytes.ok()) static_cast<void>(bytes->Append(source));
  return bytes;
}

absl::StatusOr<SecretBytes> SecretBytes::CopyOf(std::string_view text) {
  return CopyOf(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

absl::StatusOr<SecretBytes> SecretBytes::Random(flattone::Random& random, size_t size) {
  auto bytes = Create(size);
  if (!bytes.ok()) return bytes;
  bytes->size_ = size;
  random.Fill({bytes->data_, size});
  return bytes;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) Arena::Process().Free(data_, capacity_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  if (data_ != nullptr) Arena::Process().Free(data_, capacity_);
}

bool SecretBytes::Append(std::span<const uint8_t> bytes) {
  if (bytes.size() > capacity_ - size_) return false;
  if (!bytes.empty()) std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return true;
}

bool SecretBytes::Append(std::string_view text) {
  return Append(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

bool SecretBytes::Append(const SecretBytes& other) { return Append(std::span<const uint8_t>(other.data_, other.size_)); }

bool SecretBytes::Resize(size_t size) {
  if (size > capacity_) return false;
  if (size < size_) secret::Wipe(data_ + size, size_ - size);
  size_ = size;  // beyond the old size the slot is zero already
  return true;
}

void SecretBytes::Wipe() {
  if (data_ != nullptr) secret::Wipe(data_, capacity_);
  size_ = 0;
}

absl::StatusOr<SecretBytes> SecretBytes::Clone() const { return CopyOf(std::span<const uint8_t>(data_, size_)); }

bool ConstantTimeEquals(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

bool ConstantTimeEquals(const SecretBytes& a, const SecretBytes& b) {
  const ClearCardAccess access("compare without showing");
  return ConstantTimeEquals(a.Reveal(access), b.Reveal(access));
}

}  // namespace flattone::secret
