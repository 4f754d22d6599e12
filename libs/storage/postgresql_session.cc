#include "libs/storage/postgresql_session.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "absl/strings/str_cat.h"

namespace flattone::storage {
namespace {

constexpr size_t kCachedStatements = 256;
// Type numbers of PostgreSQL's catalogue (pg_type.dat); they never change.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kFloat4 = 700, kFloat8 = 701;

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

std::string Field(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text != nullptr ? text : "";
}

// A statement that was prepared before another replica's migration changed the columns of its table: "cached plan must not
// change result type". The session is given up, and the transaction runs again on a new one.
bool IsStalePlan(const PGresult* result) {
  return Field(result, PG_DIAG_SQLSTATE) == "0A000" && Field(result, PG_DIAG_SOURCE_FUNCTION) == "RevalidateCachedQuery";
}

absl::Status FromState(const PGresult* result) {
  const std::string state = Field(result, PG_DIAG_SQLSTATE);
  // Class 22 (data exception) quotes the offending value in its message; the state says enough.
  const std::string text = state.rfind("22", 0) == 0 ? "data exception" : Field(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
  const std::string message =
      absl::StrCat("postgresql: ", text, " (", state, constraint.empty() ? "" : ", ", constraint, ")");
  if (state == "23505") return absl::AlreadyExistsError(message);
  if (state == "23503") return absl::FailedPreconditionError(message);
  if (state == "40001" || state == "40P01" || state == "55P03" || IsStalePlan(result)) return absl::AbortedError(message);
  if (state == "57014") return absl::DeadlineExceededError(message);  // statement_timeout: the server has undone it
  if (state.rfind("08", 0) == 0 || state.rfind("57P", 0) == 0 || state == "25P03") return absl::UnavailableError(message);
  return absl::InternalError(message);
}

int HexDigit(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

// BYTEA's text form: \x and two digits a byte (bytea_output=hex is set at connect).
std::string FromHex(const char* text, int length) {
  std::string bytes;
  bytes.reserve(static_cast<size_t>(length) / 2);
  for (int i = 2; i + 1 < length; i += 2) bytes.push_back(static_cast<char>(HexDigit(text[i]) << 4 | HexDigit(text[i + 1])));
  return bytes;
}

Value ReadOne(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column)) return Value();
  const char* text = PQgetvalue(result, row, column);
  const int length = PQgetlength(result, row, column);
  switch (PQftype(result, column)) {
    case kInt2: case kInt4: case kInt8: return Value(static_cast<int64_t>(std::strtoll(text, nullptr, 10)));
    case kFloat4: case kFloat8: return Value(std::strtod(text, nullptr));
    case kBool: return Value(int64_t{text[0] == 't' ? 1 : 0});
    case kBytea: return Value(Blob{FromHex(text, length)});
    default: return Value(std::string(text, static_cast<size_t>(length)));
  }
}

// Parameters as libpq wants them: types are told, so that the server never guesses (an untyped `$1 + 1` would
// be a 32-bit integer); bytes go binary, the rest as text.
struct Parameters {
  explicit Parameters(std::span<const Value> values) {
    texts.reserve(values.size());
    for (const Value& value : values) Add(value.get());
    for (size_t i = 0; i < texts.size(); ++i) pointers.push_back(nulls[i] ? nullptr : texts[i].c_str());
  }
  void Add(const std::variant<std::monostate, int64_t, double, std::string, Blob>& v) {
    Oid type = 0;
    std::string text;
    int format = 0;
    if (const auto* number = std::get_if<int64_t>(&v)) {
      type = kInt8;
      text = std::to_string(*number);
    } else if (const auto* real = std::get_if<double>(&v)) {
      type = kFloat8;
      char buffer[40];
      std::snprintf(buffer, sizeof buffer, "%.17g", *real);
      text = buffer;
    } else if (const auto* string = std::get_if<std::string>(&v)) {
      type = kText;
      text = *string;
      bad_text |= string->find('\0') != std::string::npos;
    } else if (const auto* blob = std::get_if<Blob>(&v)) {
      type = kBytea;
      text = blob->bytes;
      format = 1;
    }
    types.push_back(type);
    nulls.push_back(std::holds_alternative<std::monostate>(v));
    lengths.push_back(static_cast<int>(text.size()));
    formats.push_back(format);
    texts.push_back(std::move(text));
  }
  std::string Key(std::string_view sql) const {
    std::string key(sql);
    for (Oid type : types) absl::StrAppend(&key, "|", type);
    return key;
  }

  std::vector<Oid> types;
  std::vector<bool> nulls;
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<int> lengths;
  std::vector<int> formats;
  bool bad_text = false;
};

class PostgresqlSession final : public Session {
 public:
  // `patience`: how long the server's answer to one statement is waited for.
  PostgresqlSession(PGconn* connection, absl::Duration patience) : connection_(connection), patience_(absl::ToChronoMilliseconds(patience)) {
    PQsetnonblocking(connection_, 1);
  }
  ~PostgresqlSession() override { PQfinish(connection_); }

  absl::Status Begin(Access access) override {
    limited_ = true;
    if (access == Access::kRead) return Script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return Script("BEGIN ISOLATION LEVEL READ COMMITTED");
  }
  absl::Status Commit() override;
  void Rollback() override {
    if (!broken()) Answer(PQsendQuery(connection_, "ROLLBACK"));
  }
  absl::Status Script(const std::string& sql) override { return Check(Answer(PQsendQuery(connection_, sql.c_str())).get()); }
  absl::StatusOr<Rows> Execute(std::string_view sql, std::span<const Value> values) override;
  absl::Status LiftLimits() override {
    absl::Status status = Script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
    limited_ = !status.ok();
    return status;
  }
  bool broken() const override { return stale_ || silent_ || PQstatus(connection_) != CONNECTION_OK; }

 private:
  Result Answer(int sent);
  absl::Status Check(const PGresult* result) const;
  absl::StatusOr<std::string> Prepare(std::string_view sql, const Parameters& parameters);

  PGconn* connection_;
  const std::chrono::milliseconds patience_;
  std::unordered_map<std::string, std::string> statements_;
  uint64_t next_name_ = 0;
  bool limited_ = true;  // by patience_
  bool stale_ = false;
  bool silent_ = false;  // no answer in time: what becomes of the statement is not known, and the session is given up
};

// What the server says to what was just sent (`sent`: libpq took it); null when the connection is gone or silent. libpq's own
// PQexec waits for ever, and a server that is stopped keeps its connections open: no time-out of the server or of TCP ends that.
Result PostgresqlSession::Answer(int sent) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  Result last;
  while (sent == 1) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return nullptr;
    if (unsent == 0 && PQisBusy(connection_) == 0) {
      Result next(PQgetResult(connection_));
      if (next == nullptr) return last;
      last = std::move(next);
      continue;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd socket{PQsocket(connection_), static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
    if (limited_ && left <= 0) {
      silent_ = true;
      return nullptr;
    }
    if (poll(&socket, 1, limited_ ? static_cast<int>(std::min<int64_t>(left, 60'000)) : -1) < 0 && errno != EINTR) return nullptr;
    if ((socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(connection_) == 0) return nullptr;
  }
  return nullptr;
}

absl::Status PostgresqlSession::Check(const PGresult* result) const {
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return absl::OkStatus();
  if (silent_) return absl::DeadlineExceededError("postgresql: the server gave no answer in time");
  if (result == nullptr || broken() || Field(result, PG_DIAG_SQLSTATE).empty()) {
    return absl::UnavailableError("postgresql: the connection was lost");
  }
  return FromState(result);
}

absl::Status PostgresqlSession::Commit() {
  const Result result = Answer(PQsendQuery(connection_, "COMMIT"));
  absl::Status status = Check(result.get());
  if (absl::IsUnavailable(status) || silent_) {
    return absl::UnknownError("postgresql: the connection was lost while committing; the transaction may or may not be durable");
  }
  // COMMIT of a failed transaction answers ROLLBACK and no error.
  if (status.ok() && std::strcmp(PQcmdStatus(result.get()), "COMMIT") != 0) {
    return absl::InternalError("postgresql: the transaction had failed and was rolled back");
  }
  return status;
}

absl::StatusOr<std::string> PostgresqlSession::Prepare(std::string_view sql, const Parameters& parameters) {
  std::string key = parameters.Key(sql);
  const auto found = statements_.find(key);
  if (found != statements_.end()) return found->second;
  if (statements_.size() >= kCachedStatements) {
    absl::Status dropped = Script("DEALLOCATE ALL");
    if (!dropped.ok()) return dropped;
    statements_.clear();
  }
  const std::string name = absl::StrCat("ft", next_name_++);
  const Result result = Answer(PQsendPrepare(connection_, name.c_str(), std::string(sql).c_str(), static_cast<int>(parameters.types.size()),
                                             parameters.types.data()));
  absl::Status status = Check(result.get());
  if (!status.ok()) return status;
  statements_.emplace(std::move(key), name);
  return name;
}

absl::StatusOr<Rows> PostgresqlSession::Execute(std::string_view sql, std::span<const Value> values) {
  const Parameters parameters(values);
  if (parameters.bad_text) return absl::InvalidArgumentError("text with a NUL byte cannot be stored; store it as bytes");
  auto name = Prepare(sql, parameters);
  if (!name.ok()) return name.status();
  const Result result = Answer(PQsendQueryPrepared(connection_, name->c_str(), static_cast<int>(parameters.pointers.size()),
                                                   parameters.pointers.data(), parameters.lengths.data(), parameters.formats.data(), 0));
  absl::Status status = Check(result.get());
  stale_ = stale_ || (result != nullptr && IsStalePlan(result.get()));
  if (!status.ok()) return status;
  Rows rows;
  auto columns = std::make_shared<Columns>();
  const int width = PQnfields(result.get());
  for (int i = 0; i < width; ++i) columns->push_back(PQfname(result.get(), i));
  for (int r = 0; r < PQntuples(result.get()); ++r) {
    std::vector<Value> row;
    row.reserve(static_cast<size_t>(width));
    for (int c = 0; c < width; ++c) row.push_back(ReadOne(result.get(), r, c));
    rows.rows.emplace_back(columns, std::move(row));
  }
  // PQcmdTuples counts a SELECT's rows too; those changed nothing.
  if (std::strncmp(PQcmdStatus(result.get()), "SELECT", 6) != 0) {
    rows.affected = std::strtoll(PQcmdTuples(result.get()), nullptr, 10);
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> OpenPostgresql(const std::string& url, absl::Duration statement) {
  // What the URL says wins over what stands before it.
  // Without tcp_user_timeout a server that vanished without a word (a cut cable, a lost machine) would hold a session for a
  // quarter of an hour, whatever statement_timeout says: that one is the server's.
  const absl::Duration patience = 2 * statement;
  const std::string vanished = absl::StrCat(absl::ToInt64Milliseconds(patience));
  const char* keys[] = {"connect_timeout", "application_name", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                        "dbname", nullptr};
  const char* values[] = {"5", "flattone", "10", "5", "2", vanished.c_str(), url.c_str(), nullptr};
  PGconn* connection = PQconnectdbParams(keys, values, 1);
  auto session = std::make_unique<PostgresqlSession>(connection, patience);
  if (session->broken()) {
    // libpq's message names host and user, never the password.
    std::string why = PQerrorMessage(connection);
    while (!why.empty() && why.back() == '\n') why.pop_back();
    return absl::UnavailableError(absl::StrCat("cannot connect to PostgreSQL: ", why));
  }
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
  const int64_t ms = absl::ToInt64Milliseconds(statement);
  absl::Status status = session->Script(absl::StrCat(
      "SET bytea_output='hex'; SET client_encoding='UTF8'; SET synchronous_commit=on; SET statement_timeout=", ms,
      "; SET lock_timeout=", ms, "; SET idle_in_transaction_session_timeout=", 3 * ms));
  if (!status.ok()) return status;
  return std::unique_ptr<Session>(std::move(session));
}

}  // namespace flattone::storage
