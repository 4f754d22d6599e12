#include "libs/http/testing/pki.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "absl/strings/str_join.h"
#include "libs/base/check.h"

namespace flattone::http::testing {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void Extend(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  FT_CHECK(extension != nullptr, "certificate extension");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate Make(const std::string& name, EVP_PKEY* key, long serial) {
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void WriteCertificate(const std::string& path, X509* certificate) {
  FILE* file = std::fopen(path.c_str(), "w");
  FT_CHECK(file != nullptr && PEM_write_X509(file, certificate) == 1, "write certificate");
  std::fclose(file);
}

}  // namespace

struct TestPki::Authority {
  Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  Certificate certificate{nullptr, X509_free};
  long serial = 1;
};

TestPki::TestPki() : authority_(new Authority) {
  std::string pattern = (std::filesystem::temp_directory_path() / "flattone-pki-XXXXXX").string();
  FT_CHECK(mkdtemp(pattern.data()) != nullptr, "temporary folder");
  folder_ = pattern;
  authority_->certificate = Make("test authority", authority_->key.get(), authority_->serial++);
  X509* ca = authority_->certificate.get();
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  Extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  Extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
  X509_sign(ca, authority_->key.get(), EVP_sha256());
  ca_file_ = folder_ + "/ca.pem";
  WriteCertificate(ca_file_, ca);
}

TestPki::~TestPki() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  delete authority_;
}

TestPki::Files TestPki::Issue(const std::string& name, const std::vector<std::string>& subject_alt_names) {
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  Certificate certificate = Make(name, key.get(), authority_->serial++);
  X509* ca = authority_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca));
  Extend(certificate.get(), ca, NID_subject_alt_name, absl::StrJoin(subject_alt_names, ","));
  X509_sign(certificate.get(), authority_->key.get(), EVP_sha256());
  Files files{folder_ + "/" + name + ".pem", folder_ + "/" + name + ".key"};
  WriteCertificate(files.certificate, certificate.get());
  FILE* file = std::fopen(files.key.c_str(), "w");
  FT_CHECK(file != nullptr && PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
           "write key");
  std::fclose(file);
  return files;
}

}  // namespace flattone::http::testing
