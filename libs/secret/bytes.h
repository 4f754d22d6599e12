// SecretBytes: a locked, wiped, move-only run of bytes: keys, sealed plaintexts, digits of a field, the body
// of a request with a card in it.
//
//   auto key = SecretBytes::Random(random, 32);          // StatusOr: the arena may be full
//   key->Reveal(ClearCardAccess("wrap the data key"))           // span<const uint8_t>
//
// Its capacity is fixed when it is made, so growing never leaves a copy behind. It cannot be copied,
// printed or compared with ==; Clone() and ConstantTimeEquals() are explicit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/secret/access.h"

namespace flattone::secret {

class SecretBytes {
 public:
  // Empty, capacity 0, no memory.
  SecretBytes() = default;
  // Size 0, room for `capacity` bytes. RESOURCE_EXHAUSTED (code "secret_memory_full") when the arena is full.
  static absl::StatusOr<SecretBytes> Create(size_t capacity);
  static absl::StatusOr<SecretBytes> CopyOf(std::span<const uint8_t> bytes);
  static absl::StatusOr<SecretBytes> CopyOf(std::string_view text);
  static absl::StatusOr<SecretBytes> Random(flattone::Random& random, size_t size);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }

  std::span<const uint8_t> Reveal(ClearCardAccess) const { return {data_, size_}; }
  std::string_view RevealText(ClearCardAccess) const { return {reinterpret_cast<const char*>(data_), size_}; }
  std::span<uint8_t> RevealMutable(ClearCardAccess) { return {data_, size_}; }

  // False, and nothing changed, when it does not fit into the capacity.
  [[nodiscard]] bool Append(std::span<const uint8_t> bytes);
  [[nodiscard]] bool Append(std::string_view text);
  [[nodiscard]] bool Append(const SecretBytes& other);
  // New bytes are zero, dropped ones are wiped.
  [[nodiscard]] bool Resize(size_t size);
  // Overwrites the whole capacity and sets the size to 0; the memory stays reserved.
  void Wipe();

  absl::StatusOr<SecretBytes> Clone() const;

  bool operator==(const SecretBytes&) const = delete;

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// In time that depends on the sizes only.
bool ConstantTimeEquals(const SecretBytes& a, const SecretBytes& b);
bool ConstantTimeEquals(std::span<const uint8_t> a, std::span<const uint8_t> b);

std::ostream& operator<<(std::ostream&, const SecretBytes&) = delete;
template <typename Sink>
void AbslStringify(Sink&, const SecretBytes&) = delete;

}  // namespace flattone::secret
