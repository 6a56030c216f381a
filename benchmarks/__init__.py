"""Whatever figures the documentation has, and the commands that measure them.

``python -m benchmarks`` measures speed and memory beside what one could do without the
package. Modules with a command line of their own measure accuracy. `docs/laboratory.md`
says what the rows mean, and has the figures.
"""
