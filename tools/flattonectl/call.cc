#include "tools/flattonectl/call.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "flattone/gateway/v1/gateway.pb.h"
#include "flattone/session/v1/admin.pb.h"
#include "flattone/vault/v1/vault.pb.h"
#include "libs/base/random.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"

namespace flattone::ctl {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

const MethodDescriptor* Find(const std::string& method) {
  // Naming one message of each contract links them, and so fills the pool.
  gateway::v1::Attempt::descriptor();
  session::v1::Tenant::descriptor();
  vault::v1::Token::descriptor();
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
}

std::unique_ptr<Message> New(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Message>> NewRequest(const std::string& method) {
  const auto* found = Find(method);
  if (found == nullptr) return absl::InternalError("no method " + method);
  return New(found->input_type());
}

absl::StatusOr<std::unique_ptr<Message>> Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                              const Message& request, absl::Duration timeout) {
  const auto* found = Find(method);
  if (found == nullptr) return absl::InternalError("no method " + method);
  grpc::ClientContext context;
  rpc::Prepare(context, {.trace = obs::TraceContext::New(SystemRandom()), .timeout = timeout});
  grpc::Slice slice(request.SerializeAsString());
  grpc::ByteBuffer in(&slice, 1), out;
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  auto call = stub.PrepareUnaryCall(&context, "/" + found->service()->full_name() + "/" + found->name(), in, &queue);
  grpc::Status status;
  call->StartCall();
  call->Finish(&out, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return rpc::FromGrpc(status);
  std::string bytes;
  grpc::Slice whole;
  if (out.Valid() && out.DumpToSingleSlice(&whole).ok()) bytes.assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
  auto answer = New(found->output_type());
  if (!answer->ParseFromString(bytes)) return absl::InternalError("the answer cannot be read");
  return answer;
}

}  // namespace flattone::ctl
