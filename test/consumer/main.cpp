// A program of somebody else: the least that shows that the headers are found, compile and link.
#if __has_include(<persist/persist.hpp>)
#include <persist/persist.hpp>
#else
#include <persist/version.hpp>
#endif

#include <iostream>

int second_unit();

int main() {
  std::cout << "persist " << PERSIST_VERSION_MAJOR << '.' << PERSIST_VERSION_MINOR << '\n';
  return second_unit();
}
