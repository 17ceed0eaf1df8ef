// expect: the Dictionaries of ZstdDict have a `static list()`
#include <persist/compress/zstd.hpp>

struct Dictionaries {
#ifdef PERSIST_REJECT_CONTROL
  static const std::vector<persist::compress::ZstdDictionary>& list();
#else
  static std::vector<persist::compress::ZstdDictionary> list();
#endif
};
static_assert(persist::compress::ZstdDict<Dictionaries>::id != 0);
