// One key of the keypad, on its way to a field: 0-9 * # A-D.
#pragma once

#include "libs/secret/secret.h"

namespace flattone::card {

using KeyPress = secret::Secret<char>;

// Digits go into fields, # ends, * clears; A-D have no meaning here.
inline bool IsDigit(char symbol) { return symbol >= '0' && symbol <= '9'; }

}  // namespace flattone::card
