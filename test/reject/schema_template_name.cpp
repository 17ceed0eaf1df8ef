// expect: compilers spell the names of templates differently
#include <persist/schema/name.hpp>

template <class T>
struct Gift {
#ifdef PERSIST_REJECT_CONTROL
  static constexpr std::string_view persist_name = "Gift";
#endif
};

static_assert(persist::schema::type_name<Gift<int>> == "Gift");
