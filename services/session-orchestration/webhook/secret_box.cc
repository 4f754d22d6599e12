#include "services/session-orchestration/webhook/secret_box.h"

#include "absl/strings/str_cat.h"

namespace flattone::session {
namespace {

std::string Context(const SecretBox::Place& place) {
  return absl::StrCat("webhook\x1f", std::string(place.tenant_id), "\x1f", std::string(place.endpoint_id), "\x1f",
                      std::string(place.column));
}

}  // namespace

absl::StatusOr<std::string> SecretBox::Seal(const Place& place, const secret::SecretBytes& secret) const {
  auto wrapped = keys_.Wrap(secret, crypto::AsBytes(Context(place)));
  if (!wrapped.ok()) return wrapped.status();
  return wrapped->kek_id + "\n" + wrapped->bytes;
}

absl::StatusOr<secret::SecretBytes> SecretBox::Open(const Place& place, std::string_view sealed) const {
  const size_t line = sealed.find('\n');
  if (line == std::string_view::npos) return absl::DataLossError("a sealed webhook secret is malformed");
  return keys_.Unwrap({std::string(sealed.substr(0, line)), std::string(sealed.substr(line + 1))},
                      crypto::AsBytes(Context(place)));
}

}  // namespace flattone::session
