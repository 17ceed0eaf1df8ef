// expect: Result<T> holds an object: use T* or std::reference_wrapper for a reference
#include <persist/result.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Held = int*;
#else
using Held = int&;
#endif

bool use(persist::Result<Held>& result);
bool use(persist::Result<Held>& result) {
  return result.has_value();
}
