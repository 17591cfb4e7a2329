import { PolywireError } from "../contract/error.ts";
import type { Service } from "../contract/service.ts";
import type { MetricFamily } from "./family.ts";

/** What services tell of themselves. One that throws is reported, and takes nobody else's figures away. */
export function serviceFamilies(services: readonly Service[], failed: (error: PolywireError) => void): MetricFamily[] {
  return services.flatMap((service) => {
    try {
      return service.metrics?.() ?? [];
    } catch (thrown) {
      failed(PolywireError.from(thrown, "internal", `the service "${service.name}" could not tell its figures`));
      return [];
    }
  });
}
