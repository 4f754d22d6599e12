// Secret<T>: one value of a plain type in locked memory, wiped when it goes; move-only, not printable, not
// comparable with ==. Pan, SecurityCode and KeyPress (libs/card) are built on it.
//
//   auto card = Secret<ClearCard>::Create();                       // StatusOr, zeroed
//   card->Update(ClearCardAccess("fill from the capture")).length = 16;
//   card->Reveal(ClearCardAccess("seal for the adapter"));         // const T&
#pragma once

#include <cstdint>
#include <new>
#include <ostream>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "libs/secret/bytes.h"

namespace flattone::secret {

template <typename T>
class Secret {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                "a secret is plain bytes: anything else could keep a copy of them elsewhere");
  static_assert(alignof(T) <= 32, "slots are aligned to 32 bytes");

 public:
  // Value-initialised. RESOURCE_EXHAUSTED when the arena is full.
  static absl::StatusOr<Secret> Create() {
    auto bytes = SecretBytes::Create(sizeof(T));
    if (!bytes.ok()) return bytes.status();
    static_cast<void>(bytes->Resize(sizeof(T)));
    new (bytes->RevealMutable(ClearCardAccess("construct in place")).data()) T{};
    return Secret(std::move(*bytes));
  }

  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&&) noexcept = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  // Not to be called on a moved-from secret.
  const T& Reveal(ClearCardAccess access) const {
    return *std::launder(reinterpret_cast<const T*>(bytes_.Reveal(access).data()));
  }
  T& Update(ClearCardAccess access) {
    return *std::launder(reinterpret_cast<T*>(bytes_.RevealMutable(access).data()));
  }

  // Back to T{}, at once; the slot stays.
  void Wipe() {
    bytes_.Wipe();
    static_cast<void>(bytes_.Resize(sizeof(T)));
  }

  absl::StatusOr<Secret> Clone() const {
    auto copy = bytes_.Clone();
    if (!copy.ok()) return copy.status();
    return Secret(std::move(*copy));
  }

  bool operator==(const Secret&) const = delete;

  friend bool ConstantTimeEquals(const Secret& a, const Secret& b) { return ConstantTimeEquals(a.bytes_, b.bytes_); }

 private:
  explicit Secret(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  SecretBytes bytes_;
};

template <typename T>
std::ostream& operator<<(std::ostream&, const Secret<T>&) = delete;
template <typename Sink, typename T>
void AbslStringify(Sink&, const Secret<T>&) = delete;

}  // namespace flattone::secret
