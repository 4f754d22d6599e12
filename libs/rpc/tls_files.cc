#include "libs/rpc/tls_files.h"

#include <memory>
#include <vector>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::rpc {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const { Free(p); }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Cert = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

absl::Status Unusable(std::string_view flag, const std::string& path, std::string_view why) {
  return InvalidField(flag, absl::StrCat("'", path, "' ", std::string(why)), "a readable PEM file (make one with tools/pki)");
}

absl::StatusOr<Cert> ReadCertificate(std::string_view flag, const std::string& path) {
  Bio bio(BIO_new_file(path.c_str(), "r"));
  if (!bio) return Unusable(flag, path, "cannot be read");
  Cert cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!cert) return Unusable(flag, path, "holds no certificate");
  return cert;
}

std::vector<std::string> UrisOf(X509* cert) {
  std::vector<std::string> uris;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), ASN1_STRING_length(uri));
  }
  GENERAL_NAMES_free(names);
  return uris;
}

absl::Status CheckValidity(X509* cert, const std::string& path, absl::Time now) {
  time_t at = absl::ToTimeT(now);
  if (X509_cmp_time(X509_get0_notBefore(cert), &at) > 0) return Unusable("tls_cert", path, "is not valid yet");
  if (X509_cmp_time(X509_get0_notAfter(cert), &at) < 0) return Unusable("tls_cert", path, "has expired");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files, std::string_view uri, absl::Time now) {
  auto cert = ReadCertificate("tls_cert", files.certificate);
  if (!cert.ok()) return cert.status();
  if (auto valid = CheckValidity(cert->get(), files.certificate, now); !valid.ok()) return valid;
  if (!uri.empty()) {
    const auto uris = UrisOf(cert->get());
    if (uris.size() != 1 || uris[0] != uri) {
      return Unusable("tls_cert", files.certificate, absl::StrCat("is not the certificate of ", std::string(uri)));
    }
  }
  Bio bio(BIO_new_file(files.key.c_str(), "r"));
  if (!bio) return Unusable("tls_key", files.key, "cannot be read");
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return Unusable("tls_key", files.key, "holds no private key");
  if (X509_check_private_key(cert->get(), key.get()) != 1) {
    return Unusable("tls_key", files.key, absl::StrCat("does not belong to ", files.certificate));
  }
  return files.ca.empty() ? absl::OkStatus() : ReadCertificate("tls_ca", files.ca).status();
}

absl::StatusOr<absl::Time> ExpiryOf(const std::string& path) {
  auto cert = ReadCertificate("tls_cert", path);
  if (!cert.ok()) return cert.status();
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert->get()), &end) != 1) return Unusable("tls_cert", path, "has an odd end of validity");
  return absl::FromTM(end, absl::UTCTimeZone());
}

}  // namespace flattone::rpc
