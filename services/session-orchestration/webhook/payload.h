// The body of a webhook: the event in finance's words.
//
//   {"id":"evt_…","type":"payment.captured","timestamp":"2026-01-01T00:00:00.000Z","livemode":false,"sequence":7,
//    "data":{"payment_id":"pay_…","session_id":"ses_…","order_reference":"A-1","amount_minor":1999,"currency":"EUR",…}}
//
// The same event, endpoint and number give the same bytes on every try. No card data but brand and last four.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/types.pb.h"

namespace flattone::session {

inline constexpr size_t kMaxPayload = 20 * 1024;

// `sequence` is the endpoint's own number of this delivery. INTERNAL when it would be over 20 KB.
absl::StatusOr<std::string> WebhookPayload(const v1::Event& event, int64_t sequence);

}  // namespace flattone::session
