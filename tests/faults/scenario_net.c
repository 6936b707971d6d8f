#include "scenario.h"
const struct scenario *const scenarios_net[] = {NULL};
