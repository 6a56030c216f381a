"""Whatever figures the documentation has, and the commands that measure them.

``python -m benchmarks`` measures speed and memory beside what one could do without the
package; `docs/guide/performance.md` says what its rows mean. Modules with a command
line of their own measure accuracy; `docs/measured.md` has their figures.
"""
