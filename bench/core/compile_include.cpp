#include <persist/persist.hpp>
int main() {}
