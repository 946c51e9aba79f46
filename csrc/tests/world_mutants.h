/* Operations of member 0 that break the rules, to see that the tests which look for that find it.
 */
#ifndef PYRAY_TESTS_WORLD_MUTANTS_H
#define PYRAY_TESTS_WORLD_MUTANTS_H

#include "tests/world.h"

const char *mutant_store_past_the_log(struct world *world);
const char *mutant_claim_apart(struct world *world);
const char *mutant_none(struct world *world); /* breaks none */

#endif
