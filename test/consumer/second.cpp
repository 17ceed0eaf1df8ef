// Includes all once more: a definition that is not inline would be there twice, and not link.

#if __has_include(<persist/persist.hpp>)
#include <persist/persist.hpp>
#else
#include <persist/version.hpp>
#endif

int second_unit();

int second_unit() {
  return 0;
}
