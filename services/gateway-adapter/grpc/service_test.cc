// The two services over gRPC, with a vault that seals cards as the real one does, and a PSP that does as it is told.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "flattone/vault/v1/vault.grpc.pb.h"
#include "libs/base/error.h"
#include "libs/crypto/file_key_store.h"
#include "libs/crypto/sealed_card.h"
#include "libs/rpc/status.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/gateway-adapter/attempt/fakes.h"
#include "services/gateway-adapter/attempt/schema.h"
#include "services/gateway-adapter/grpc/admin_service.h"
#include "services/gateway-adapter/grpc/checks.h"
#include "services/gateway-adapter/grpc/payment_service.h"
#include "services/gateway-adapter/grpc/vault_cards.h"
#include "services/gateway-adapter/resolve/resolver.h"

namespace flattone::gateway {
namespace {

using fakes::Script;
using storage::testing::Backend;

// Seals the public test number for whoever asks with a key; knows one token.
class FakeVault final : public vault::v1::CardReleaseService::Service {
 public:
  grpc::Status OpenCard(grpc::ServerContext*, const vault::v1::OpenCardRequest* request, vault::v1::OpenCardResponse* response) override {
    ++opens;
    if (request->token_id() != "tok_1") return rpc::ToGrpc(Refusal(absl::StatusCode::kNotFound, {.code = "token_unknown", .field = {}, .limit = {}, .fix = {}}, "no such token"));
    auto card = crypto::SecretCard::Create();
    crypto::ClearCard& clear = card->Update(secret::ClearCardAccess("fill in the public test number"));
    constexpr std::string_view kTestNumber = "4242424242424242";
    clear.pan_size = kTestNumber.size();
    std::copy(kTestNumber.begin(), kTestNumber.end(), clear.pan.begin());
    clear.expiry_month = 12;
    clear.expiry_year = 34;
    // A vault that seals for another attempt than the one it was asked for must not get a card through.
    const std::string attempt = swap ? "att_other" : request->attempt_id();
    auto key = crypto::ParsePublicKey("recipient_key", request->recipient_key());
    auto sealed = crypto::SealCard(SystemRandom(), *key, {request->tenant_id(), request->token_id(), attempt}, *card);
    response->set_sealed_card(*sealed);
    response->set_brand(common::v1::CARD_BRAND_VISA);
    response->set_last_four("4242");
    return grpc::Status::OK;
  }
  grpc::Status Wipe(grpc::ServerContext*, const vault::v1::WipeRequest* request, vault::v1::WipeResponse*) override {
    ++(request->destroy_card() ? destroyed : wiped);
    return grpc::Status::OK;
  }
  std::atomic<int> opens{0}, wiped{0}, destroyed{0};
  std::atomic<bool> swap{false};
};

std::unique_ptr<grpc::Server> Serve(std::vector<grpc::Service*> services, int* port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  return builder.BuildAndStart();
}

std::shared_ptr<grpc::Channel> ChannelTo(int port) {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
}

// A replica of the vault that does not come back: nothing listens there.
constexpr char kGone[] = "gone:1";

std::string NewDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "flattone-grpc-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

struct Fixture {
  Fixture() : scratch(Backend::kSqlite), meters(registry), log({.service = "test", .level = obs::Level::kError}, SystemClock(), registry, [](std::string_view) {}) {
    REQUIRE(crypto::FileKeyStore::AddKey(key_file, SystemRandom()).ok());
    keys = std::move(*crypto::FileKeyStore::Open(key_file, SystemRandom()));
    db = std::move(*storage::Database::Open(scratch.url(), {}));
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    psps["sandbox"] = std::make_unique<fakes::FakePsp>();
    psps["stripe"] = std::make_unique<fakes::FakePsp>();
    psp = static_cast<fakes::FakePsp*>(psps["sandbox"].get());
    int vault_port = 0;
    vault_server = Serve({&vault}, &vault_port);
    cards = std::move(*VaultCards::Create(SystemRandom(), [vault_port](const std::string& address) { return ChannelTo(address == kGone ? 1 : vault_port); }, "vault:1"));
    outbox = std::make_unique<Outbox>(*db, absl::Milliseconds(20));
    ledger = std::make_unique<Ledger>(*db, *outbox, SystemClock(), SystemRandom(), absl::Seconds(30));
    REQUIRE(ledger->RenewLease().ok());
    accounts = std::make_unique<Accounts>(*db, *keys, SystemClock(), SystemRandom());
    runner = std::make_unique<Runner>(Runner::Parts{*ledger, *accounts, psps, *cards, meters, log, SystemClock(), gates}, 8);
    payments = std::make_unique<PaymentGrpcService>(PaymentGrpcService::Parts{*runner, *ledger, *outbox, SystemClock(), SystemRandom(), gates});
    admin = std::make_unique<AdminGrpcService>(AdminGrpcService::Parts{*db, *ledger, *accounts, psps, test_psps, meters, log, SystemClock(), SystemRandom()});
    int port = 0;
    server = Serve({payments.get(), admin.get()}, &port);
    pay = v1::PaymentGatewayService::NewStub(ChannelTo(port));
    operate = v1::GatewayAdminService::NewStub(ChannelTo(port));
  }
  ~Fixture() {
    psp->Release();
    server->Shutdown();
    vault_server->Shutdown();
    std::filesystem::remove_all(directory);
  }
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request, Response* response,
                    absl::Duration timeout = absl::Seconds(10)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    return rpc::FromGrpc((stub.*method)(&context, request, response));
  }
  absl::StatusOr<v1::PspAccount> Put(const std::string& psp_name = "sandbox", common::v1::Mode mode = common::v1::MODE_TEST,
                                     const std::string& field = "api_key", const std::string& value = "sbx_1") {
    v1::PutPspAccountRequest request;
    request.set_tenant_id("ten_a");
    request.set_mode(mode);
    request.set_psp(psp_name);
    (*request.mutable_credentials())[field] = value;
    v1::PspAccount account;
    absl::Status status = Call<v1::GatewayAdminService::StubInterface>(*operate, &v1::GatewayAdminService::StubInterface::PutPspAccount, request, &account);
    if (!status.ok()) return status;
    return account;
  }
  static v1::AuthoriseRequest Authorise(const std::string& payment = "pay_1", const std::string& operation_id = "op_1") {
    v1::AuthoriseRequest request;
    request.set_tenant_id("ten_a");
    request.set_mode(common::v1::MODE_TEST);
    request.set_payment_id(payment);
    request.set_operation_id(operation_id);
    request.set_token_id("tok_1");
    request.mutable_amount()->set_amount_minor(1250);
    request.mutable_amount()->set_currency_code("EUR");
    request.set_order_reference("A-1");
    return request;
  }
  absl::StatusOr<v1::Attempt> Pay(const v1::AuthoriseRequest& request, absl::Duration timeout = absl::Seconds(10)) {
    v1::Attempt attempt;
    absl::Status status = Call<v1::PaymentGatewayService::StubInterface>(*pay, &v1::PaymentGatewayService::StubInterface::Authorise, request, &attempt, timeout);
    if (!status.ok()) return status;
    return attempt;
  }

  std::string directory = NewDirectory();
  std::string key_file = directory + "/kek";
  storage::testing::ScratchDatabase scratch;
  obs::Registry registry;
  Meters meters;
  obs::Logger log;
  Gates gates;
  std::set<std::string> test_psps = {"sandbox"};
  Psps psps;
  fakes::FakePsp* psp = nullptr;
  FakeVault vault;
  std::unique_ptr<crypto::FileKeyStore> keys;
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<VaultCards> cards;
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<Runner> runner;
  std::unique_ptr<PaymentGrpcService> payments;
  std::unique_ptr<AdminGrpcService> admin;
  std::unique_ptr<grpc::Server> server, vault_server;
  std::unique_ptr<v1::PaymentGatewayService::StubInterface> pay;
  std::unique_ptr<v1::GatewayAdminService::StubInterface> operate;
};

std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail ? detail->code : "";
}

TEST_CASE("A payment over gRPC: the sealed card is opened, the PSP approves, the vault is told to destroy, the outcome is listed") {
  Fixture f;
  REQUIRE(f.Put().ok());
  auto attempt = f.Pay(Fixture::Authorise());
  REQUIRE(attempt.ok());
  CHECK(attempt->outcome() == v1::OUTCOME_ANSWERED);
  CHECK(attempt->answer() == v1::ANSWER_APPROVED);
  CHECK(attempt->last_four() == "4242");
  CHECK(attempt->brand() == common::v1::CARD_BRAND_VISA);
  CHECK(attempt->psp() == "sandbox");
  CHECK(f.vault.destroyed == 1);
  v1::ListOutcomesRequest request;
  v1::ListOutcomesResponse response;
  REQUIRE(f.Call<v1::PaymentGatewayService::StubInterface>(*f.pay, &v1::PaymentGatewayService::StubInterface::ListOutcomes, request, &response).ok());
  REQUIRE(response.changes_size() == 1);
  CHECK(response.changes(0).position() == 1);
  CHECK(response.changes(0).attempt().attempt_id() == attempt->attempt_id());
  v1::ListAttemptsRequest theirs;
  theirs.set_tenant_id("ten_b");
  theirs.set_payment_id("pay_1");
  v1::ListAttemptsResponse none;
  REQUIRE(f.Call<v1::PaymentGatewayService::StubInterface>(*f.pay, &v1::PaymentGatewayService::StubInterface::ListAttempts, theirs, &none).ok());
  CHECK(none.attempts_size() == 0);
}

TEST_CASE("A reader that waits hears of an outcome when it is committed") {
  Fixture f;
  REQUIRE(f.Put().ok());
  v1::ListOutcomesRequest request;
  request.set_wait_ms(8000);
  v1::ListOutcomesResponse response;
  std::thread reader([&] { CHECK(f.Call<v1::PaymentGatewayService::StubInterface>(*f.pay, &v1::PaymentGatewayService::StubInterface::ListOutcomes, request, &response).ok()); });
  REQUIRE(f.Pay(Fixture::Authorise()).ok());
  reader.join();
  CHECK(response.changes_size() == 1);
}

TEST_CASE("A caller that goes away or does not wait gets PENDING; the attempt goes on") {
  Fixture f;
  REQUIRE(f.Put().ok());
  f.psp->Then(Script::kChargeAndHold);
  v1::AuthoriseRequest request = Fixture::Authorise();
  request.set_wait_ms(20);
  auto pending = f.Pay(request);
  REQUIRE(pending.ok());
  CHECK(pending->outcome() == v1::OUTCOME_PENDING);
  // Its own deadline: PENDING still arrives before it.
  CHECK(f.Pay(Fixture::Authorise(), absl::Milliseconds(400))->outcome() == v1::OUTCOME_PENDING);
  f.psp->Release();
  CHECK(f.Pay(Fixture::Authorise())->answer() == v1::ANSWER_APPROVED);
  CHECK(f.psp->sends == 1);
}

TEST_CASE("A capture whose caller does not wait is PENDING at once, and goes on") {
  Fixture f;
  REQUIRE(f.Put().ok());
  REQUIRE(f.Pay(Fixture::Authorise()).ok());
  f.psp->Then(Script::kHoldBefore);
  v1::CapturePaymentRequest request;
  request.set_tenant_id("ten_a");
  request.set_payment_id("pay_1");
  request.set_operation_id("op_2");
  v1::Attempt attempt;
  const auto capture = [&] { return f.Call<v1::PaymentGatewayService::StubInterface>(*f.pay, &v1::PaymentGatewayService::StubInterface::CapturePayment, request, &attempt); };
  request.set_wait_ms(1);
  const absl::Time asked = absl::Now();
  REQUIRE(capture().ok());
  CHECK(attempt.outcome() == v1::OUTCOME_PENDING);
  CHECK(absl::Now() - asked < absl::Seconds(5));  // not the call's ten seconds
  f.psp->Release();
  request.set_wait_ms(0);
  REQUIRE(capture().ok());
  CHECK(attempt.answer() == v1::ANSWER_APPROVED);
}

TEST_CASE("A token that the vault does not know, or a card sealed for another attempt, ends NOT_SENT") {
  Fixture f;
  REQUIRE(f.Put().ok());
  v1::AuthoriseRequest request = Fixture::Authorise();
  request.set_token_id("tok_other");
  auto unknown = f.Pay(request);
  REQUIRE(unknown.ok());
  CHECK(unknown->outcome() == v1::OUTCOME_NOT_SENT);
  CHECK(unknown->raw_code() == "card/token_unknown");
  f.vault.swap = true;
  CHECK(f.Pay(Fixture::Authorise("pay_2", "op_2"))->outcome() == v1::OUTCOME_NOT_SENT);
  CHECK(f.psp->sends == 0);
}

TEST_CASE("Bad requests name field and limit and leave nothing in the ledger") {
  Fixture f;
  REQUIRE(f.Put().ok());
  const auto field_of = [&f](const std::function<void(v1::AuthoriseRequest&)>& spoil) {
    v1::AuthoriseRequest request = Fixture::Authorise();
    spoil(request);
    auto attempt = f.Pay(request);
    CHECK(absl::IsInvalidArgument(attempt.status()));
    const auto detail = DetailOf(attempt.status());
    return detail ? detail->field : "";
  };
  CHECK(field_of([](auto& r) { r.clear_tenant_id(); }) == "tenant_id");
  CHECK(field_of([](auto& r) { r.set_operation_id(std::string(65, 'x')); }) == "operation_id");
  CHECK(field_of([](auto& r) { r.set_payment_id("a b"); }) == "payment_id");
  CHECK(field_of([](auto& r) { r.clear_amount(); }) == "amount");
  CHECK(field_of([](auto& r) { r.mutable_amount()->set_amount_minor(0); }) == "amount.amount_minor");
  CHECK(field_of([](auto& r) { r.mutable_amount()->set_amount_minor(kMaxAmountMinor + 1); }) == "amount.amount_minor");
  CHECK(field_of([](auto& r) { r.mutable_amount()->set_currency_code("eur"); }) == "amount.currency_code");
  CHECK(field_of([](auto& r) { r.set_mode(static_cast<common::v1::Mode>(7)); }) == "mode");
  CHECK(field_of([](auto& r) { r.clear_token_id(); }) == "token_id");
  CHECK(f.ledger->OfPayment("ten_a", "pay_1")->empty());
}

TEST_CASE("The vault replica that an attempt names is gone: any other opens the card, and destroys it") {
  Fixture f;
  REQUIRE(f.Put().ok());
  v1::AuthoriseRequest request = Fixture::Authorise();
  request.set_vault_address(kGone);
  auto attempt = f.Pay(request);
  REQUIRE(attempt.ok());
  CHECK(attempt->answer() == v1::ANSWER_APPROVED);
  CHECK(f.vault.opens == 1);
  CHECK(f.vault.destroyed == 1);
}

TEST_CASE("Accounts: a PSP of the mode, exactly its credentials, never given back, every change recorded") {
  Fixture f;
  CHECK(CodeOf(f.Pay(Fixture::Authorise()).status()) == "no_psp_account");
  CHECK(DetailOf(f.Put("adyen").status())->field == "psp");
  CHECK(DetailOf(f.Put("stripe").status())->field == "psp");  // test mode reaches the sandbox only
  CHECK(DetailOf(f.Put("sandbox", common::v1::MODE_LIVE).status())->field == "psp");
  CHECK(f.Put("stripe", common::v1::MODE_LIVE).ok());
  CHECK(DetailOf(f.Put("sandbox", common::v1::MODE_TEST, "password").status())->field == "credentials");
  CHECK(DetailOf(f.Put("sandbox", common::v1::MODE_TEST, "api_key", "a\r\nX: y").status())->field == "credentials.api_key");
  auto account = f.Put();
  REQUIRE(account.ok());
  CHECK(account->credential_fields_size() == 1);
  CHECK(account->SerializeAsString().find("sbx_1") == std::string::npos);
  CHECK(f.Put()->account_id() == account->account_id());
  f.psp->Then(Script::kChargeAndHold);
  v1::AuthoriseRequest request = Fixture::Authorise();
  request.set_wait_ms(1);
  REQUIRE(f.Pay(request).ok());
  v1::DeletePspAccountRequest remove;
  remove.set_tenant_id("ten_a");
  remove.set_account_id(account->account_id());
  v1::DeletePspAccountResponse nothing;
  const auto erase = [&] { return f.Call<v1::GatewayAdminService::StubInterface>(*f.operate, &v1::GatewayAdminService::StubInterface::DeletePspAccount, remove, &nothing); };
  CHECK(CodeOf(erase()) == "attempts_live");
  f.psp->Release();
  REQUIRE(f.Pay(Fixture::Authorise()).ok());
  CHECK(erase().ok());
  CHECK(CodeOf(erase()) == "account_not_found");
  v1::ListAdminRecordsRequest list;
  v1::ListAdminRecordsResponse records;
  REQUIRE(f.Call<v1::GatewayAdminService::StubInterface>(*f.operate, &v1::GatewayAdminService::StubInterface::ListAdminRecords, list, &records).ok());
  REQUIRE(records.records_size() == 4);
  for (int i = 0; i < 4; ++i) CHECK(records.records(i).sequence() == i + 1);
  CHECK(records.records(3).action() == "psp_account.delete");
}

TEST_CASE("An operator decides an unknown outcome once, with a reason that holds no card number") {
  Fixture f;
  REQUIRE(f.Put().ok());
  f.psp->Then(Script::kDropUnread);
  auto attempt = f.Pay(Fixture::Authorise());
  REQUIRE(attempt->outcome() == v1::OUTCOME_UNKNOWN);
  v1::ListUnknownAttemptsRequest list;
  v1::ListUnknownAttemptsResponse unknown;
  REQUIRE(f.Call<v1::GatewayAdminService::StubInterface>(*f.operate, &v1::GatewayAdminService::StubInterface::ListUnknownAttempts, list, &unknown).ok());
  REQUIRE(unknown.attempts_size() == 1);
  v1::ResolveAttemptRequest decide;
  decide.set_tenant_id("ten_a");
  decide.set_attempt_id(attempt->attempt_id());
  decide.set_answer(v1::ANSWER_APPROVED);
  decide.set_reason("seen in the PSP's dashboard");
  v1::Attempt after;
  const auto resolve = [&] { return f.Call<v1::GatewayAdminService::StubInterface>(*f.operate, &v1::GatewayAdminService::StubInterface::ResolveAttempt, decide, &after); };
  CHECK(DetailOf(resolve())->field == "psp_reference");
  decide.set_psp_reference("spp_7");
  decide.set_reason("card 4242 4242 4242 4242 was charged");
  CHECK(DetailOf(resolve())->field == "reason");
  decide.set_reason("seen in the PSP's dashboard");
  decide.set_tenant_id("ten_b");
  CHECK(CodeOf(resolve()) == "attempt_not_found");
  decide.set_tenant_id("ten_a");
  REQUIRE(resolve().ok());
  CHECK(after.answer() == v1::ANSWER_APPROVED);
  CHECK(after.psp_reference() == "spp_7");
  CHECK(CodeOf(resolve()) == "not_unknown");
}

}  // namespace
}  // namespace flattone::gateway
