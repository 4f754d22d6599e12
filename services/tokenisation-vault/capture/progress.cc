#include "services/tokenisation-vault/capture/progress.h"

namespace flattone::vault {
namespace {

// After which counts a gap is printed: 4-4-4-4-3, American Express 4-6-5, Diners 4-6-4.
bool GapBefore(card::Brand brand, int index) {
  const bool four_six = brand == card::Brand::kAmex || brand == card::Brand::kDiners;
  return four_six ? index == 4 || index == 10 : index % 4 == 0;
}

}  // namespace

std::string Bullets(Field field, card::Brand brand, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (field == Field::kPan && i > 0 && GapBefore(brand, i)) text.push_back(' ');
    text.append("\xe2\x80\xa2");
  }
  return text;
}

}  // namespace flattone::vault
