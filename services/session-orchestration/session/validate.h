// The limits of what a client may ask for, in the words of the contract.
#pragma once

#include "absl/status/status.h"
#include "flattone/session/v1/admin.pb.h"
#include "flattone/session/v1/types.pb.h"

namespace flattone::session {

// Each: INVALID_ARGUMENT naming the field (with its path) and its limit.
absl::Status CheckNewSession(const v1::Session& session, const v1::Tenant& tenant);
absl::Status CheckIntent(const std::string& field, const v1::PaymentIntent& intent, const v1::Tenant& tenant);
absl::Status CheckCaptureSettings(const std::string& field, const v1::CaptureSettings& settings);
// What is typed again of a card whose number is kept; may be empty.
absl::Status CheckTypedAgain(const std::string& field, const google::protobuf::RepeatedField<int>& fields);

}  // namespace flattone::session
