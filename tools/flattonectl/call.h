// One admin RPC by its name, with messages from the generated pool.
#pragma once

#include <memory>
#include <string>

#include <google/protobuf/message.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}

namespace flattone::ctl {

// An empty request of `method` ("flattone.session.v1.SessionAdminService.CreateTenant").
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> NewRequest(const std::string& method);

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                                                const google::protobuf::Message& request, absl::Duration timeout);

}  // namespace flattone::ctl
