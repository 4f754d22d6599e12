// Between the call room's types and the contracts' messages.
#pragma once

#include "flattone/media/v1/media.pb.h"
#include "flattone/session/v1/fleet.pb.h"
#include "services/media-relay/call/call_table.h"

namespace flattone::relay {

flattone::media::v1::SecureState ToProto(SecureMode mode);
flattone::media::v1::CallStatistics StatisticsOf(const CallView& view);
flattone::media::v1::Call ToProto(const CallView& view, const std::string& relay_id);
flattone::session::v1::CallReport ToProto(const CallEvent& event, std::string report_id);

// A side of a request; nullopt when unspecified. InvalidField when the value is none of the enum's.
absl::StatusOr<std::optional<Side>> ToSide(flattone::media::v1::Side side, std::string_view field);

}  // namespace flattone::relay
