fn main() {
    ociai_proxy::run()
}
