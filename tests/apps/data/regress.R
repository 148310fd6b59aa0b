# SPDX-License-Identifier: Apache-2.0
# A series of linear models on random numbers from a fixed seed; coefficients to a file that stays open, the last model
# to a binary file.
set.seed(20)
out <- file("coefficients.csv", "w")
writeLines("round,intercept,slope,r2", out)
total <- 0
for (round in 1:80) {
  x <- rnorm(20000)
  y <- 3 + 2 * x + rnorm(20000, sd = 0.5)
  model <- lm(y ~ x)
  k <- coef(model)
  writeLines(sprintf("%d,%.12f,%.12f,%.12f", round, k[1], k[2], summary(model)$r.squared), out)
  flush(out)
  total <- total + sum(k)
  if (round %% 5 == 0) cat(sprintf("round %d: %.10f\n", round, total))
  Sys.sleep(0.03)
}
close(out)
saveRDS(coef(model), "last.rds")
cat(sprintf("done: %.10f\n", total))
