/* Where this machine stands, what is broken on it, what an error means, and what to pin.
 *
 *   cc doctor.c -lnacp -o doctor && ./doctor [FOLDER [ERROR]]
 *
 * FOLDER is a machine that was laid down in a folder, as nacp's own tests have them; without it, or with "-", this
 * machine is read. The driver's libraries are asked in children of this very program, which are killed when they hang.
 */

#include <nacp.h>

#include <stdio.h>
#include <string.h>

/* Prints what went wrong and gives the exit code. */
static int failed(const char *what, const nacp_error *error) {
    fprintf(stderr, "%s: %s\n", what, error->message);
    return 1;
}

int main(int argc, char **argv) {
    if (nacp_probe_answer()) {
        return 0;
    }
    nacp_error error = NACP_ERROR_INIT;
    nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
    options.program = "self";
    if (argc > 1 && strcmp(argv[1], "-") != 0) {
        options.root = argv[1];
        options.program = NULL;
    }
    nacp_string survey = {0}, diagnosis = {0}, words = {0}, meaning = {0}, lock = {0};
    int code = 0;
    if (nacp_survey_json(&options, &survey, &error) != NACP_OK) {
        return failed("survey", &error);
    }
    if (nacp_doctor_json(survey.data, &diagnosis, &error) != NACP_OK ||
        nacp_doctor_text(diagnosis.data, &words, &error) != NACP_OK) {
        code = failed("doctor", &error);
    } else {
        printf("%s\n", words.data);
    }
    if (code == 0 && argc > 2) {
        if (nacp_explain_json(argv[2], survey.data, &meaning, &error) != NACP_OK) {
            code = failed("explain", &error);
        } else {
            printf("\nthe error means: %s\n", meaning.data);
        }
    }
    if (code == 0) {
        if (nacp_lock_text(survey.data, NULL, &lock, &error) != NACP_OK) {
            code = failed("lock", &error);
        } else {
            printf("\n%s", lock.data);
        }
    }
    nacp_string_free(&lock);
    nacp_string_free(&meaning);
    nacp_string_free(&words);
    nacp_string_free(&diagnosis);
    nacp_string_free(&survey);
    return code;
}
