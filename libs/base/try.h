// RETURN_IF_ERROR without exceptions or macros of Abseil's newer releases.
//
//   FT_TRY(Save(tx, row));            // returns the status when it is not OK
#pragma once

#include "absl/status/status.h"

#define FT_TRY(expression)                                    \
  do {                                                        \
    absl::Status ft_status_ = (expression);                   \
    if (!ft_status_.ok()) return ft_status_;                  \
  } while (false)
