/*
 * Workflow definitions: {"steps": […]}, each step with an id and a type, and what its type has
 * beside that (definition.c's tables; handlers/schemas/workflows.json has the same as JSON Schema).
 * Texts may hold {{inputs.NAME}} and {{steps.ID.output}}, each with members after it, of steps that
 * have ended before.
 */
#ifndef HANDLERS_AGENTS_DEFINITION_H
#define HANDLERS_AGENTS_DEFINITION_H

#include <millrace/fields.h>

#define DEFINITION_MAX 131072 /* bytes */
#define STEPS_MAX 200 /* of a definition, at all depths */
#define STEPS_DEPTH_MAX 8 /* of conditions and parallels in each other */

/* Adds a problem with its path for each fault of the definition. Blocks on nothing. */
void definition_check(struct arena *a, json_object *definition, struct problems *problems);

#endif
