// What every case of tests/compile_fail may use; compiled once, as a precompiled header, since it takes most of the time.
#pragma once

#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/card/expiry.h"
#include "libs/card/key_press.h"
#include "libs/card/pan.h"
#include "libs/card/security_code.h"
#include "libs/crypto/sealed_card.h"
#include "libs/obs/log.h"
#include "libs/secret/secret.h"
