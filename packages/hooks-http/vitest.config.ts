// @boundaries-ignore the settings that every package's tests share
export { default } from "../../vitest.project.ts";
