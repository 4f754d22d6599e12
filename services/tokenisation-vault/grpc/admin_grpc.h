// VaultAdminService: proto to domain, for the operator. Records and facts, never a card.
#pragma once

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/random.h"
#include "services/tokenisation-vault/service/cards.h"

namespace flattone::vault {

class AdminGrpcService final : public v1::VaultAdminService::Service {
 public:
  AdminGrpcService(Cards& cards, HeldCodes& codes, TokenStore& tokens, Keyring& keyring, AuditChain& audit, Random& random)
      : cards_(cards), codes_(codes), tokens_(tokens), keyring_(keyring), audit_(audit), random_(random) {}

  grpc::Status ListAuditRecords(grpc::ServerContext*, const v1::ListAuditRecordsRequest*, v1::ListAuditRecordsResponse*) override;
  grpc::Status VerifyAudit(grpc::ServerContext*, const v1::VerifyAuditRequest*, v1::VerifyAuditResponse*) override;
  grpc::Status GetToken(grpc::ServerContext*, const v1::GetTokenRequest*, v1::Token*) override;
  grpc::Status DestroyToken(grpc::ServerContext*, const v1::DestroyTokenRequest*, v1::DestroyTokenResponse*) override;
  grpc::Status RotateDataKey(grpc::ServerContext*, const v1::RotateDataKeyRequest*, v1::RotateDataKeyResponse*) override;

 private:
  Cards& cards_;
  HeldCodes& codes_;
  TokenStore& tokens_;
  Keyring& keyring_;
  AuditChain& audit_;
  Random& random_;
};

}  // namespace flattone::vault
